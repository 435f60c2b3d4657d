// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Store} from "../src/Store.sol";

/// The cheat codes that the tests need.
interface ForkVm {
    function createSelectFork(string calldata url, uint256 blockNumber) external returns (uint256);
    function envAddress(string calldata name) external view returns (address);
    function envString(string calldata name) external view returns (string memory);
    function envUint(string calldata name) external view returns (uint256);
    function prank(address sender) external;
    function rollFork(uint256 blockNumber) external;
}

/// @title A contract that stands on the node, in tests that fork its state
/// @notice FORK_STORE held FORK_OLD after block FORK_BLOCK and FORK_NEW after the block after it.
contract ForkTest {
    ForkVm private constant vm = ForkVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bool public constant IS_TEST = true;

    function store() private view returns (Store) {
        return Store(vm.envAddress("FORK_STORE"));
    }

    function testLatest() external view {
        require(store().value() == vm.envUint("FORK_NEW"), "value");
        require(block.chainid == 1337, "chain");
        require(vm.envAddress("FORK_RICH").balance == vm.envUint("FORK_BALANCE"), "balance");
    }

    function testWritesStayInTheFork() external {
        address stranger = address(0xbeef);
        vm.prank(stranger);
        store().store(1_000_000);
        require(store().value() == 1_000_000 && store().lastSender() == stranger, "written");
    }

    function testEarlierBlocks() external {
        uint256 number = vm.envUint("FORK_BLOCK");
        vm.createSelectFork(vm.envString("FORK_URL"), number);
        require(block.number == number, "number");
        require(store().value() == vm.envUint("FORK_OLD"), "old");
        vm.rollFork(number + 1);
        require(block.number == number + 1, "next number");
        require(store().value() == vm.envUint("FORK_NEW"), "new");
    }
}
