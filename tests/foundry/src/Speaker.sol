// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Speaks to the console by its address, as Hardhat's console.sol does.
contract Speaker {
    address private constant CONSOLE = 0x000000000000000000636F6e736F6c652e6c6f67;

    error TooLate(uint256 deadline);

    event Spoke(uint256 number);

    /// The last spelling, `uint`, is that of versions from before 2022.
    function speak(uint256 number, string calldata text, bool flag, address who) external {
        say(abi.encodeWithSignature("log(string)", text));
        say(abi.encodeWithSignature("log(string,uint256)", "number=%d", number));
        say(abi.encodeWithSignature("log(uint256,string,bool,address)", number, text, flag, who));
        say(abi.encodeWithSignature("log(int256)", -int256(number)));
        say(abi.encodeWithSignature("log(bytes4)", bytes4(0xdeadbeef)));
        say(abi.encodeWithSignature("log(bytes)", hex"0102"));
        say(abi.encodeWithSignature("log(uint)", number));
        emit Spoke(number);
    }

    function fail(uint256 how) external {
        say(abi.encodeWithSignature("log(string,uint256)", "failing", how));
        require(how != 0, "as was asked");
        if (how == 1) revert TooLate(77);
        emit Spoke(1 / (how - 2));
    }

    function ask(uint256 number) external view returns (uint256) {
        say(abi.encodeWithSignature("log(string,uint256)", "asked", number));
        return number + 1;
    }

    function say(bytes memory payload) private view {
        address console = CONSOLE;
        // Whether anything listens makes no difference.
        assembly {
            pop(staticcall(gas(), console, add(payload, 32), mload(payload), 0, 0))
        }
    }
}
