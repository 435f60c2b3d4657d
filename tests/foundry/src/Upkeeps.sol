// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A well-behaved conditional upkeep that remembers who called it
contract Witness {
    event Seen(address sender, address origin, bytes data);

    bool public wanted;
    uint256 public performs;
    address public sender;

    function want(bool yes) external {
        wanted = yes;
    }

    function checkUpkeep(bytes calldata data) external view returns (bool, bytes memory) {
        return (wanted, data);
    }

    function performUpkeep(bytes calldata data) external {
        performs++;
        sender = msg.sender;
        emit Seen(msg.sender, tx.origin, data);
    }
}

/// @title An upkeep with a fault
contract Faulty {
    enum Fault {
        CheckReverts,
        CheckLoops,
        CheckReturnsRubbish,
        CheckReturnsNothing,
        CheckReturnsHuge,
        PerformReverts,
        PerformLoops,
        PerformReturnsHuge
    }

    Fault public immutable fault;
    uint256 public performs;

    constructor(Fault given) {
        fault = given;
    }

    function checkUpkeep(bytes calldata) external view returns (bool, bytes memory) {
        if (fault == Fault.CheckReverts) revert("the check fails");
        if (fault == Fault.CheckLoops) while (gasleft() > 0) {}
        if (fault == Fault.CheckReturnsRubbish) {
            assembly {
                mstore(0, not(0))
                mstore(32, not(0))
                mstore(64, not(0))
                return(0, 96)
            }
        }
        if (fault == Fault.CheckReturnsNothing) {
            assembly {
                return(0, 0)
            }
        }
        if (fault == Fault.CheckReturnsHuge) return (true, new bytes(200_000));
        return (true, "");
    }

    function performUpkeep(bytes calldata) external {
        performs++;
        if (fault == Fault.PerformReverts) revert("the perform fails");
        if (fault == Fault.PerformLoops) while (gasleft() > 0) {}
        if (fault == Fault.PerformReturnsHuge) {
            assembly {
                return(0, 300000)
            }
        }
    }
}
