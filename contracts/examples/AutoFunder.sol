// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Keeps accounts from running dry
/// @notice For a resolver upkeep, of which it is both the resolver and the target: `checker` looks for the first watched
/// account that holds too little and answers the call that helps it.
contract AutoFunder {
    /// An account got money.
    event Funded(address indexed account, uint256 amount);

    error LeastAboveEnough();
    error OnlyOwner();
    error NothingToDo();
    error TransferFailed();

    /// Who may watch accounts and take the money back.
    address public immutable owner;
    /// Wei below which an account is helped, and up to which.
    uint256 public immutable least;
    uint256 public immutable enough;

    address[] private accounts;

    modifier onlyOwner() {
        if (msg.sender != owner) revert OnlyOwner();
        _;
    }

    constructor(uint256 least_, uint256 enough_) payable {
        if (least_ > enough_) revert LeastAboveEnough();
        owner = msg.sender;
        least = least_;
        enough = enough_;
    }

    receive() external payable {}

    /// @notice Helps `account` from now on whenever it holds less than `least`.
    function watch(address account) external onlyOwner {
        accounts.push(account);
    }

    /// @notice Pays everything out to the owner.
    function withdraw() external onlyOwner {
        send(owner, address(this).balance);
    }

    /// @notice Whether an account holds too little, and the call that changes it.
    function checker() external view returns (bool needed, bytes memory call) {
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (lacks(accounts[i])) return (true, abi.encodeCall(this.fund, (i)));
        }
    }

    /// @notice Fills up the account at place `index`. Anyone may call it; it helps only where help is needed.
    function fund(uint256 index) external {
        address account = accounts[index];
        if (!lacks(account)) revert NothingToDo();
        uint256 amount = enough - account.balance;
        emit Funded(account, amount);
        send(account, amount);
    }

    function lacks(address account) private view returns (bool) {
        return account.balance < least && address(this).balance >= enough - account.balance;
    }

    function send(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed();
    }
}
