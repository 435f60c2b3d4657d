// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Store} from "../src/Store.sol";
import {Token} from "../src/Token.sol";

/// The cheat codes that the script needs.
interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// @title Deploys a token and a store, and uses them
contract Deploy {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    // forge recognises scripts by this name.
    bool public constant IS_SCRIPT = true;

    function run() external returns (Token token, Store store) {
        vm.startBroadcast();
        token = new Token(1000 ether);
        store = new Store();
        require(token.transfer(address(store), 3 ether), "transfer");
        store.store(42);
        vm.stopBroadcast();
    }
}
