"""web3.py against the node: RPC_URL and WS_URL name it."""

import asyncio
import json
import os
import pathlib
import time
import unittest

from eth_account import Account
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError, ContractLogicError, ContractPanicError, Web3RPCError

TESTS = pathlib.Path(__file__).parent.parent
MNEMONIC = "test test test test test test test test test test test junk"
Account.enable_unaudited_hdwallet_features()
SENDER, OTHER, PAYER = (
    Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}") for index in (16, 17, 18)
)


def artifact(name):
    text = (TESTS / f"foundry/out/{name}.sol/{name}.json").read_text()
    found = json.loads(text)
    return {"abi": found["abi"], "bytecode": found["bytecode"]["object"]}


class Web3Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.w3 = Web3(Web3.HTTPProvider(os.environ["RPC_URL"]))
        contract = cls.w3.eth.contract(**artifact("Store"))
        receipt = cls.send(cls, contract.constructor().build_transaction(cls.fields(cls)))
        cls.store = cls.w3.eth.contract(address=receipt.contractAddress, abi=contract.abi)

    def fields(self, account=SENDER):
        return {"from": account.address, "nonce": self.w3.eth.get_transaction_count(account.address)}

    def send(self, transaction, account=SENDER, **signing):
        signed = account.sign_transaction(transaction, **signing)
        digest = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(digest, timeout=20, poll_latency=0.05)
        if receipt.status != 1:
            raise AssertionError(f"reverted: {dict(receipt)}")
        return receipt

    def plain(self, **changes):
        fees = {"maxFeePerGas": Web3.to_wei(50, "gwei"), "maxPriorityFeePerGas": 1}
        return {"chainId": 1337, "to": OTHER.address, "value": 1, "gas": 60_000, **fees, **self.fields(), **changes}

    def test_reading(self):
        self.assertTrue(self.w3.is_connected())
        self.assertEqual(self.w3.eth.chain_id, 1337)
        self.assertFalse(self.w3.eth.syncing)
        self.assertTrue(self.w3.net.listening)
        self.assertEqual(self.w3.net.peer_count, 0)
        self.assertEqual(self.w3.net.version, "1337")
        self.assertRegex(self.w3.client_version, r"\w+/")
        block = self.w3.eth.get_block("latest", full_transactions=True)
        self.assertEqual(block, self.w3.eth.get_block(block.hash, full_transactions=True))
        self.assertEqual(block.parentHash, self.w3.eth.get_block(block.number - 1).hash)
        self.assertGreater(self.w3.eth.gas_price, 0)
        self.assertGreaterEqual(self.w3.eth.max_priority_fee, 0)
        history = self.w3.eth.fee_history(2, "latest", [50.0])
        self.assertEqual(len(history.baseFeePerGas), len(history.gasUsedRatio) + 1)

    def test_every_transaction_type(self):
        def kind(transaction, **signing):
            return self.w3.eth.get_transaction(self.send(transaction, **signing).transactionHash).type

        legacy = self.plain(gasPrice=Web3.to_wei(50, "gwei"))
        del legacy["maxFeePerGas"], legacy["maxPriorityFeePerGas"]
        self.assertEqual(kind(legacy), 0)
        legacy.update(self.fields(), accessList=[{"address": self.store.address, "storageKeys": ["0x" + "00" * 32]}])
        self.assertEqual(kind(legacy), 1)
        self.assertEqual(kind(self.plain()), 2)
        delegate = self.w3.eth.contract(**artifact("Delegate"))
        address = self.send(delegate.constructor().build_transaction(self.fields())).contractAddress
        nonce = self.w3.eth.get_transaction_count(PAYER.address)
        authorization = PAYER.sign_authorization({"chainId": 1337, "address": address, "nonce": nonce})
        self.assertEqual(kind(self.plain(to=PAYER.address, gas=200_000, authorizationList=[authorization])), 4)
        self.assertEqual(self.w3.eth.get_code(PAYER.address).hex(), "ef0100" + address[2:].lower())

    def test_a_blob_transaction(self):
        blob = b"\x00" * 31 + b"a blob of the end-to-end tests".ljust(33, b"\x00")
        blob = b"".join(b"\x00" + blob[at:at + 31] for at in range(0, len(blob), 31)).ljust(4096 * 32, b"\x00")
        receipt = self.send(
            self.plain(type=3, maxFeePerBlobGas=Web3.to_wei(10, "gwei"), gas=21_000), blobs=[blob])
        self.assertEqual(receipt.blobGasUsed, 131_072)
        self.assertEqual(self.w3.eth.get_transaction(receipt.transactionHash).type, 3)

    def test_a_contract(self):
        before = self.store.functions.value().call()
        receipt = self.send(self.store.functions.store(before + 1).build_transaction(self.fields()))
        self.assertEqual(self.store.functions.value().call(), before + 1)
        self.assertEqual(self.store.functions.value().call(block_identifier=receipt.blockNumber - 1), before)
        [event] = self.store.events.Stored().process_receipt(receipt)
        self.assertEqual((event.args.by, event.args.value), (SENDER.address, before + 1))
        logs = self.store.events.Stored().get_logs(from_block=receipt.blockNumber)
        self.assertEqual([log.transactionHash for log in logs], [receipt.transactionHash])

    def test_estimate_and_access_list(self):
        call = self.store.functions.store(1)
        estimate = call.estimate_gas({"from": SENDER.address})
        receipt = self.send(call.build_transaction({**self.fields(), "gas": estimate}))
        self.assertLessEqual(receipt.gasUsed, estimate)
        request = call.build_transaction({"from": SENDER.address, "gas": 100_000})
        self.assertEqual(self.w3.eth.create_access_list(request)["accessList"][0]["address"], self.store.address)

    def test_errors(self):
        functions = self.store.functions
        with self.assertRaisesRegex(ContractLogicError, "not today"):
            functions.failWithReason().call()
        with self.assertRaises(ContractCustomError) as caught:
            functions.failWithError(11).call()
        selector = Web3.keccak(text="TooLarge(uint256,uint256)")[:4].hex()
        self.assertTrue(caught.exception.data.startswith("0x" + selector))
        with self.assertRaises(ContractPanicError):
            functions.failWithPanic(0).call()
        with self.assertRaisesRegex(Web3RPCError, "nonce too low"):
            self.w3.eth.send_raw_transaction(SENDER.sign_transaction(self.plain(nonce=0)).raw_transaction)
        poor = Account.create()
        with self.assertRaisesRegex(Web3RPCError, "insufficient funds for gas"):
            self.w3.eth.send_raw_transaction(poor.sign_transaction(self.plain(**{"from": poor.address, "nonce": 0})).raw_transaction)

    def test_a_proof_with_a_short_key(self):
        value = self.store.functions.value().call()
        proof = self.w3.eth.get_proof(self.store.address, [0], "latest")
        self.assertEqual(int.from_bytes(proof.storageProof[0].value), value)
        self.assertEqual(Web3.keccak(proof.accountProof[0]), self.w3.eth.get_block("latest").stateRoot)

    def test_filters(self):
        events = self.store.events.Stored().create_filter(from_block="latest")
        blocks, pending = self.w3.eth.filter("latest"), self.w3.eth.filter("pending")
        receipt = self.send(self.store.functions.store(7).build_transaction(self.fields()))
        self.assertIn(receipt.transactionHash, [entry.transactionHash for entry in events.get_new_entries()])
        self.assertIn(receipt.blockHash, blocks.get_new_entries())
        self.assertIn(receipt.transactionHash, pending.get_new_entries())
        self.assertTrue(self.w3.eth.uninstall_filter(events.filter_id))
        self.assertFalse(self.w3.eth.uninstall_filter(events.filter_id))

    def test_an_account_of_the_node(self):
        self.assertIn(OTHER.address, self.w3.eth.accounts)
        digest = self.w3.eth.send_transaction({"from": OTHER.address, "to": SENDER.address, "value": 5})
        self.assertEqual(self.w3.eth.wait_for_transaction_receipt(digest, timeout=20).status, 1)
        signature = self.w3.eth.sign(OTHER.address, text="hello")
        self.assertEqual(len(signature), 65)

    def test_a_batch(self):
        with self.w3.batch_requests() as batch:
            batch.add(self.w3.eth.get_block("latest"))
            batch.add(self.w3.eth.get_balance(SENDER.address))
            block, balance = batch.execute()
        self.assertGreater(block.number, 0)
        self.assertGreater(balance, 0)

    def test_pool(self):
        self.assertEqual(set(self.w3.geth.txpool.status()), {"pending", "queued"})
        nonce = self.w3.eth.get_transaction_count(SENDER.address) + 5
        self.w3.eth.send_raw_transaction(SENDER.sign_transaction(self.plain(nonce=nonce)).raw_transaction)
        queued = self.w3.geth.txpool.content()["queued"]
        self.assertIn(str(nonce), {**queued.get(SENDER.address, {}), **queued.get(SENDER.address.lower(), {})})

    def test_subscriptions_over_websocket(self):
        async def listen():
            async with AsyncWeb3(WebSocketProvider(os.environ["WS_URL"])) as w3:
                self.assertEqual(await w3.eth.chain_id, 1337)
                names = {
                    await w3.eth.subscribe("newHeads"): "heads",
                    await w3.eth.subscribe("logs", {"address": self.store.address}): "logs",
                    await w3.eth.subscribe("newPendingTransactions"): "pending",
                }
                digest = await w3.eth.send_transaction({
                    "from": OTHER.address, "to": self.store.address,
                    "data": self.store.encode_abi("store", [55]), "gas": 100_000})
                seen, deadline = {}, time.monotonic() + 20
                async for message in w3.socket.process_subscriptions():
                    seen.setdefault(names[message["subscription"]], []).append(message["result"])
                    if len(seen) == 3 or time.monotonic() > deadline:
                        break
                self.assertEqual(set(seen), {"heads", "logs", "pending"})
                self.assertEqual(seen["logs"][0].transactionHash, digest)
                self.assertIn(bytes(digest), [bytes(found) for found in seen["pending"]])

        asyncio.run(asyncio.wait_for(listen(), 60))


if __name__ == "__main__":
    unittest.main(verbosity=2)
