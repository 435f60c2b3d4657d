"""eth-ape against the node: RPC_URL names it. Its `local` network is chain 1337, as the development chain is."""

import json
import os
import pathlib
import tempfile
import unittest

# What ape keeps must not lie in the user's home. It reads this when it is imported.
os.environ["APE_DATA_FOLDER"] = tempfile.mkdtemp(dir=os.environ.get("E2E_TMP"))
os.environ["HOME"] = os.environ["APE_DATA_FOLDER"]

import ape  # noqa: E402
from ape.exceptions import ContractLogicError  # noqa: E402
from ethpm_types import ContractType  # noqa: E402

TESTS = pathlib.Path(__file__).parent.parent
SENDER, OTHER = 0, 1


def container(name):
    found = json.loads((TESTS / f"foundry/out/{name}.sol/{name}.json").read_text())
    return ape.contracts.ContractContainer(
        ContractType(
            contractName=name,
            abi=found["abi"],
            deploymentBytecode={"bytecode": found["bytecode"]["object"]},
            runtimeBytecode={"bytecode": found["deployedBytecode"]["object"]},
        )
    )


class ApeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        choice = f"ethereum:local:{os.environ['RPC_URL']}"
        cls.connection = ape.networks.parse_network_choice(choice)
        cls.provider = cls.connection.__enter__()
        cls.sender, cls.other = (ape.accounts.test_accounts[index] for index in (SENDER, OTHER))
        cls.store = cls.sender.deploy(container("Store"))

    @classmethod
    def tearDownClass(cls):
        cls.connection.__exit__(None, None, None)

    def test_the_chain(self):
        self.assertEqual(self.provider.chain_id, 1337)
        self.assertEqual(ape.chain.blocks.head.number, ape.chain.blocks.height)
        self.assertEqual(ape.chain.blocks[0].number, 0)
        self.assertGreater(self.provider.base_fee, 0)
        self.assertGreaterEqual(self.provider.priority_fee, 0)

    def test_a_transfer(self):
        before, nonce = self.other.balance, self.sender.nonce
        receipt = self.sender.transfer(self.other, "1 ether")
        self.assertEqual(receipt.status, 1)
        self.assertEqual(receipt.gas_used, 21_000)
        self.assertEqual(self.other.balance - before, 10**18)
        self.assertEqual(self.sender.nonce, nonce + 1)
        self.assertIn(receipt.txn_hash, [tx.txn_hash.to_0x_hex() for tx in ape.chain.blocks[receipt.block_number].transactions])

    def test_a_deployed_contract(self):
        self.assertEqual(self.provider.get_code(self.store.address), self.store.contract_type.get_runtime_bytecode())
        self.assertEqual(ape.chain.contracts.get_creation_metadata(self.store.address).deployer, self.sender.address)

    def test_write_read_and_logs(self):
        receipt = self.store.store(77, sender=self.sender)
        self.assertEqual(self.store.value(), 77)
        self.assertEqual(self.store.lastSender(), self.sender.address)
        [event] = receipt.decode_logs(self.store.Stored)
        self.assertEqual((event.by, event.value), (self.sender.address, 77))
        found = list(self.store.Stored.range(receipt.block_number, receipt.block_number + 1))
        self.assertEqual([log.transaction_hash for log in found], [receipt.txn_hash])
        self.store.store(78, sender=self.sender)
        self.assertEqual(self.store.value(block_id=receipt.block_number), 77)

    def test_an_estimate(self):
        estimate = self.store.store.estimate_gas_cost(5, sender=self.sender)
        receipt = self.store.store(5, sender=self.sender, gas=estimate)
        self.assertLessEqual(receipt.gas_used, estimate)

    def test_what_reverts(self):
        with self.assertRaises(ContractLogicError) as caught:
            self.store.failWithReason(sender=self.sender)
        self.assertEqual(caught.exception.revert_message, "not today")
        with self.assertRaises(ContractLogicError):
            self.store.failWithError(11)

    def test_traces(self):
        receipt = self.store.store(6, sender=self.sender)
        tree = receipt.trace.get_calltree()
        self.assertEqual(tree.address.hex(), self.store.address[2:].lower())
        self.assertEqual(tree.calldata.hex()[:8], "6057361d")


if __name__ == "__main__":
    unittest.main(verbosity=2)
