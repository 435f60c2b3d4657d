// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IUpkeepTarget} from "../src/interfaces/IUpkeepTarget.sol";

/// @title A clearing house for what its members owe each other
/// @notice Members note debts, and those of two members in both directions are netted. Once the gross amount of all that is
/// open reaches a threshold, a conditional upkeep clears: of each pair only the difference moves from one deposit to the
/// other. A perform clears at most `MAX_PAIRS` pairs; the next block goes on.
/// A member may owe what its deposit and its claims cover, so that whatever is noted can be cleared.
contract NettingSettlement is IUpkeepTarget {
    /// Wei of a member. `deposit` may be below zero for as long as a round goes on, never `deposit + position`.
    struct Member {
        bool admitted;
        /// What it paid in and was paid in cleared rounds, less what it took out and paid.
        int120 deposit;
        /// What all others owe it, less what it owes them, not yet cleared.
        int120 position;
    }

    /// Two members, `low` with the smaller address.
    struct Pair {
        address low;
        address high;
        /// What `high` owes `low`, less what `low` owes `high`, in wei.
        int120 net;
        /// What was noted between them in both directions since they were last cleared.
        uint120 gross;
        bool queued;
    }

    /// Who may note debts.
    event Admitted(address indexed member);
    event Deposited(address indexed member, uint256 amount);
    event Withdrawn(address indexed member, uint256 amount);
    /// A debt was noted.
    event Owed(address indexed debtor, address indexed creditor, uint256 amount);
    /// A pair was cleared: `net` is what moved, `gross` what it stood for.
    event Cleared(address indexed debtor, address indexed creditor, uint256 net, uint256 gross);
    /// A perform's work: pairs that it cleared, and those that its round has left.
    event RoundAdvanced(uint256 cleared, uint256 left);

    error NotAdmitted(address account);
    error NotCovered(uint256 lacking);
    error NothingToClear();
    error OnlyOwner();
    error OwesItself();
    error TransferFailed();
    error ZeroAmount();

    /// Most pairs that one perform clears. Ten cost less than 350,000 gas, whatever they owe.
    uint256 public constant MAX_PAIRS = 10;

    /// Who admits members.
    address public immutable owner;
    /// Gross wei at which a round of clearing begins.
    uint256 public immutable threshold;

    /// Gross wei noted and not yet cleared.
    uint256 public outstanding;
    /// The queue of pairs: its first, behind its last, and where the round in progress ends (`first`: there is none).
    uint64 public first;
    uint64 public end;
    uint64 public roundEnd;

    mapping(address => Member) public members;
    mapping(bytes32 => Pair) public pairs;
    mapping(uint256 => bytes32) private queue;

    constructor(uint256 threshold_) {
        if (threshold_ == 0) revert ZeroAmount();
        owner = msg.sender;
        threshold = threshold_;
    }

    /// @notice Lets `member` take part. For the owner: members can make the upkeep's admin pay for performs.
    function admit(address member) external {
        if (msg.sender != owner) revert OnlyOwner();
        members[member].admitted = true;
        emit Admitted(member);
    }

    /// @notice Adds the value sent to the caller's deposit.
    function deposit() external payable {
        admitted(msg.sender).deposit += signed(msg.value);
        emit Deposited(msg.sender, msg.value);
    }

    /// @notice Pays out of the caller's deposit what its debts leave free.
    function withdraw(uint96 amount) external {
        Member storage member = admitted(msg.sender);
        member.deposit -= signed(amount);
        mustNotLack(member.deposit);
        mustNotLack(member.deposit + member.position);
        emit Withdrawn(msg.sender, amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert TransferFailed();
    }

    /// @notice Notes that the caller owes `creditor` so much (more).
    function owe(address creditor, uint96 amount) external {
        if (amount == 0) revert ZeroAmount();
        if (creditor == msg.sender) revert OwesItself();
        Member storage debtor = admitted(msg.sender);
        admitted(creditor).position += signed(amount);
        debtor.position -= signed(amount);
        mustNotLack(debtor.deposit + debtor.position);

        (bool toLow, bytes32 id) = (creditor < msg.sender, pairId(msg.sender, creditor));
        Pair storage pair = pairs[id];
        if (pair.low == address(0)) (pair.low, pair.high) = toLow ? (creditor, msg.sender) : (msg.sender, creditor);
        pair.net += toLow ? signed(amount) : -signed(amount);
        pair.gross += amount;
        if (!pair.queued) {
            pair.queued = true;
            queue[end++] = id;
        }
        outstanding += amount;
        emit Owed(msg.sender, creditor, amount);
    }

    /// @inheritdoc IUpkeepTarget
    function checkUpkeep(bytes calldata) external view returns (bool upkeepNeeded, bytes memory performData) {
        return (first < roundEnd || outstanding >= threshold, "");
    }

    /// @inheritdoc IUpkeepTarget
    /// @dev Anyone may call it: it begins a round only where one is due, and pairs are cleared in their order.
    function performUpkeep(bytes calldata) external {
        (uint256 from, uint256 last) = (first, roundEnd);
        if (from == last) {
            if (outstanding < threshold) revert NothingToClear();
            last = end;
            roundEnd = end;
        }
        uint256 until = from + MAX_PAIRS < last ? from + MAX_PAIRS : last;
        uint256 gross;
        for (uint256 place = from; place < until; ++place) {
            gross += clear(pairs[queue[place]]);
            delete queue[place];
        }
        first = uint64(until);
        outstanding -= gross;
        emit RoundAdvanced(until - from, last - until);
    }

    /// @notice Under which key two members' debts are kept.
    function pairId(address one, address other) public pure returns (bytes32) {
        return one < other ? keccak256(abi.encode(one, other)) : keccak256(abi.encode(other, one));
    }

    /// Moves the difference, and answers the gross amount that it settles.
    function clear(Pair storage pair) private returns (uint120 gross) {
        int120 net = pair.net;
        gross = pair.gross;
        (Member storage low, Member storage high) = (members[pair.low], members[pair.high]);
        // What is cleared turns from a claim into money on the one side, and from a debt into less money on the other.
        (low.deposit, low.position) = (low.deposit + net, low.position - net);
        (high.deposit, high.position) = (high.deposit - net, high.position + net);
        (pair.net, pair.gross, pair.queued) = (0, 0, false);
        if (net < 0) emit Cleared(pair.low, pair.high, uint120(-net), gross);
        else emit Cleared(pair.high, pair.low, uint120(net), gross);
    }

    function admitted(address account) private view returns (Member storage member) {
        member = members[account];
        if (!member.admitted) revert NotAdmitted(account);
    }

    function mustNotLack(int120 amount) private pure {
        if (amount < 0) revert NotCovered(uint120(-amount));
    }

    /// All ether there is fits, with room to spare.
    function signed(uint256 amount) private pure returns (int120) {
        return int120(uint120(amount));
    }
}
