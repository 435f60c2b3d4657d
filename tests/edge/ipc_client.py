"""web3.py over the unix socket that the first argument names; tells what it saw as JSON."""

import asyncio
import json
import sys

from web3 import AsyncIPCProvider, AsyncWeb3, IPCProvider, Web3

path = sys.argv[1]
web3 = Web3(IPCProvider(path))
told = {"chainId": web3.eth.chain_id}
one, other = web3.eth.accounts[:2]
receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_transaction({"from": one, "to": other, "value": 1}))
told["status"] = receipt["status"]


async def subscribe():
    """How many of one new head is told, and how many answers a batch has."""
    async with AsyncWeb3(AsyncIPCProvider(path)) as live:
        await live.eth.subscribe("newHeads")
        await live.eth.send_transaction({"from": one, "to": other, "value": 1})
        blocks = 0
        async for _ in live.socket.process_subscriptions():
            blocks += 1
            break
        async with live.batch_requests() as batch:
            for _ in range(3):
                batch.add(live.eth.get_block("latest"))
            answers = await batch.async_execute()
        return blocks, len(answers)


told["blocks"], told["batch"] = asyncio.run(subscribe())
print(json.dumps(told))
