// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Does as the test that made it says, and notes what it was called with.
contract Probe {
    bool public failing;
    bool public looping;
    uint256 public gasSeen;
    uint256 public calls;
    address public caller;
    address public origin;
    bytes public dataSeen;
    address public hookTarget;
    bytes public hookCall;
    uint256 public hookValue;
    bool public hookSucceeded;
    bytes public hookAnswer;

    receive() external payable {}

    function setFailing(bool value) external {
        failing = value;
    }

    function setLooping(bool value) external {
        looping = value;
    }

    /// Lets the next perform call `target` with `data`.
    function setHook(address target, bytes calldata data, uint256 value) external {
        hookTarget = target;
        hookCall = data;
        hookValue = value;
    }

    function checkUpkeep(bytes calldata data) external pure returns (bool, bytes memory) {
        return (true, data);
    }

    function performUpkeep(bytes calldata data) external {
        uint256 seen = gasleft();
        require(!failing, "told to fail");
        while (looping) {
            gasSeen = gasleft();
        }
        gasSeen = seen;
        caller = msg.sender;
        origin = tx.origin;
        ++calls;
        dataSeen = data;
        if (hookTarget != address(0)) (hookSucceeded, hookAnswer) = hookTarget.call{value: hookValue}(hookCall);
    }
}

/// Does nothing but tell, in a log, the gas that it starts with: the first instruction reads it.
contract GasProbe {
    constructor() {
        // GAS PUSH0 MSTORE PUSH1 32 PUSH0 LOG0 STOP
        bytes memory code = hex"5a5f5260205fa000";
        assembly {
            return(add(code, 32), mload(code))
        }
    }
}

/// Takes no payments.
contract Refuser {}
