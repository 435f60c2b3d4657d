// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Forwarder} from "./Forwarder.sol";
import {IForwarder} from "./interfaces/IForwarder.sol";
import {RegistryFunds} from "./RegistryFunds.sol";
import {TriggerType, Upkeep} from "./RegistryTypes.sol";
import {UpkeepLock} from "./UpkeepLock.sol";

/// @title Registration, funding and administration of upkeeps
abstract contract RegistryUpkeeps is RegistryFunds {
    /// Lock under which the registry takes money that it wraps at once; no upkeep has this id.
    uint256 internal constant WRAPPING = 0;

    /// @notice Registers an upkeep and deploys its forwarder.
    /// @param target Contract to call; it must have code.
    /// @param gasLimit Gas that every perform gives to the target.
    /// @param admin Account that may change, cancel and empty the upkeep.
    /// @param triggerType How the upkeep becomes due; see `TriggerType`.
    /// @param checkData Passed to `checkUpkeep`, or for an interval or cron upkeep to `performUpkeep`.
    /// @param triggerConfig For an interval upkeep `abi.encode(uint64 everyBlocks, uint64 everyMilliseconds)`, one of them
    /// zero; for a cron upkeep `abi.encode(string expression)`; for a resolver upkeep `abi.encode(address resolver, bytes
    /// call)`, the call of which answers `(bool, bytes)`: whether the target is to be called, and with what; for a log
    /// upkeep an encoded `LogTriggerConfig`.
    /// @param offchainConfig Kept for the node; not read on chain.
    /// @return id The upkeep's id; its byte 15 is the trigger type.
    function registerUpkeep(
        address target,
        uint32 gasLimit,
        address admin,
        uint8 triggerType,
        bytes calldata checkData,
        bytes calldata triggerConfig,
        bytes calldata offchainConfig
    ) external returns (uint256 id) {
        return register(target, gasLimit, admin, triggerType, checkData, triggerConfig, offchainConfig);
    }

    /// @notice Registers an upkeep that is paid for, and paid out, in `billingToken`: the native token, which is the zero address, or
    /// the wrapped one.
    function registerUpkeep(
        address target,
        uint32 gasLimit,
        address admin,
        uint8 triggerType,
        address billingToken,
        bytes calldata checkData,
        bytes calldata triggerConfig,
        bytes calldata offchainConfig
    ) external returns (uint256 id) {
        bool wrapped = billingToken == address(TOKEN);
        if (billingToken != address(0) && !wrapped) revert InvalidToken();
        id = register(target, gasLimit, admin, triggerType, checkData, triggerConfig, offchainConfig);
        if (wrapped) upkeeps[id].paidInToken = true;
    }

    /// @notice Registers a conditional upkeep: the older form of registration.
    function registerUpkeep(
        address target,
        uint32 gasLimit,
        address admin,
        bytes calldata checkData,
        bytes calldata offchainConfig
    ) external returns (uint256 id) {
        return register(target, gasLimit, admin, TriggerType.CONDITION, checkData, msg.data[0:0], offchainConfig);
    }

    /// @notice Adds to an upkeep's balance; open to everyone.
    /// @param amount Wei. The transaction's value is the same, or zero: then so much of the token is taken from the sender, who
    /// has to approve it before.
    function addFunds(uint256 id, uint96 amount) external payable {
        bool wrapped = msg.value == 0 && amount != 0;
        if (wrapped) {
            TOKEN.transferFrom(msg.sender, address(this), amount);
            TOKEN.withdraw(amount);
        } else if (msg.value != amount) {
            revert AmountMismatch(amount, msg.value);
        }
        credit(id, msg.sender, amount, wrapped);
    }

    /// @notice Pays the whole balance of a cancelled upkeep to `to`, once the cancellation is in effect: as native token, or
    /// wrapped where it was registered for that or its admin's first money came so.
    function withdrawFunds(uint256 id, address to) external {
        if (to == address(0) || to == address(this)) revert InvalidRecipient();
        // A target that is called at this moment must not empty the account out of which the call is paid.
        if (UpkeepLock.isHeld(id)) revert ReentrantCall();
        Upkeep storage upkeep = upkeeps[id];
        if (msg.sender != upkeep.admin) revert OnlyCallableByAdmin();
        if (upkeep.terms.maxValidBlocknumber > block.number) revert UpkeepNotCanceled();
        uint96 amount = upkeep.ledger.balance;
        upkeep.ledger.balance = 0;
        emit FundsWithdrawn(id, amount, to);
        IForwarder forwarder = IForwarder(upkeep.terms.forwarder);
        if (!upkeep.paidInToken) return forwarder.pay(payable(to), amount);
        UpkeepLock.hold(WRAPPING);
        forwarder.pay(payable(address(this)), amount);
        UpkeepLock.release(WRAPPING);
        TOKEN.deposit{value: amount}();
        TOKEN.transfer(to, amount);
    }

    /// @notice Cancels an upkeep: at once for the owner, after `getCancellationDelay()` blocks for its admin.
    function cancelUpkeep(uint256 id) external {
        Upkeep storage upkeep = upkeeps[id];
        uint32 validUntil = upkeep.terms.maxValidBlocknumber;
        bool byOwner = msg.sender == contractOwner;
        if (!byOwner && msg.sender != upkeep.admin) revert OnlyCallableByOwnerOrAdmin();
        // The owner may cut short the delay of a cancellation that is under way.
        if (validUntil != ACTIVE && !(byOwner && validUntil > block.number)) revert CannotCancel();
        uint32 height = uint32(block.number) + (byOwner ? 0 : CANCELLATION_DELAY);
        upkeep.terms.maxValidBlocknumber = height;
        if (validUntil == ACTIVE) removeActive(id);
        emit UpkeepCanceled(id, height);
    }

    /// @notice Stops performs of an upkeep until it is unpaused.
    function pauseUpkeep(uint256 id) external {
        Upkeep storage upkeep = ownUpkeep(id);
        if (upkeep.terms.paused) revert OnlyUnpausedUpkeep();
        upkeep.terms.paused = true;
        emit UpkeepPaused(id);
    }

    function unpauseUpkeep(uint256 id) external {
        Upkeep storage upkeep = ownUpkeep(id);
        if (!upkeep.terms.paused) revert OnlyPausedUpkeep();
        upkeep.terms.paused = false;
        emit UpkeepUnpaused(id);
    }

    function setUpkeepCheckData(uint256 id, bytes calldata newCheckData) external {
        Upkeep storage upkeep = ownUpkeep(id);
        requireCheckDataFits(newCheckData);
        upkeep.checkData = newCheckData;
        emit UpkeepCheckDataSet(id, newCheckData);
    }

    function setUpkeepGasLimit(uint256 id, uint32 gasLimit) external {
        requireGasLimitInRange(gasLimit);
        ownUpkeep(id).terms.performGas = gasLimit;
        emit UpkeepGasLimitSet(id, gasLimit);
    }

    function setUpkeepOffchainConfig(uint256 id, bytes calldata config) external {
        Upkeep storage upkeep = ownUpkeep(id);
        requireOffchainConfigFits(config);
        upkeep.offchainConfig = config;
        emit UpkeepOffchainConfigSet(id, config);
    }

    function setUpkeepTriggerConfig(uint256 id, bytes calldata triggerConfig) external {
        Upkeep storage upkeep = ownUpkeep(id);
        requireTriggerServed(triggerTypeOf(id), triggerConfig);
        upkeep.triggerConfig = triggerConfig;
        emit UpkeepTriggerConfigSet(id, triggerConfig);
    }

    /// @notice Offers the administration of an upkeep to `proposed`, who has to accept it.
    function transferUpkeepAdmin(uint256 id, address proposed) external {
        Upkeep storage upkeep = ownUpkeep(id);
        if (proposed == msg.sender) revert ValueNotChanged();
        upkeep.proposedAdmin = proposed;
        emit UpkeepAdminTransferRequested(id, msg.sender, proposed);
    }

    function acceptUpkeepAdmin(uint256 id) external {
        Upkeep storage upkeep = upkeeps[id];
        if (upkeep.terms.maxValidBlocknumber != ACTIVE) revert UpkeepCancelled();
        if (msg.sender != upkeep.proposedAdmin) revert OnlyCallableByProposedAdmin();
        address former = upkeep.admin;
        upkeep.admin = msg.sender;
        upkeep.proposedAdmin = address(0);
        emit UpkeepAdminTransferred(id, former, msg.sender);
    }

    function register(
        address target,
        uint32 gasLimit,
        address admin,
        uint8 triggerType,
        bytes calldata checkData,
        bytes calldata triggerConfig,
        bytes calldata offchainConfig
    ) private returns (uint256 id) {
        if (settings.paused) revert RegistryPaused();
        if (target.code.length == 0) revert NotAContract();
        if (admin == address(0)) revert ZeroAddressNotAllowed();
        requireGasLimitInRange(gasLimit);
        requireCheckDataFits(checkData);
        requireTriggerServed(triggerType, triggerConfig);
        requireOffchainConfigFits(offchainConfig);

        id = nextId(triggerType);
        Upkeep storage upkeep = upkeeps[id];
        if (upkeep.terms.forwarder != address(0)) revert UpkeepAlreadyExists();
        upkeep.terms.forwarder = address(new Forwarder{salt: bytes32(id)}(target));
        upkeep.terms.performGas = gasLimit;
        upkeep.terms.maxValidBlocknumber = ACTIVE;
        upkeep.admin = admin;
        upkeep.registeredBlock = uint32(block.number);
        upkeep.registeredTimestamp = uint32(block.timestamp);
        upkeep.target = target;
        upkeep.checkData = checkData;
        upkeep.triggerConfig = triggerConfig;
        upkeep.offchainConfig = offchainConfig;
        activeIds.push(id);
        activePlaces[id] = activeIds.length;

        emit UpkeepRegistered(id, gasLimit, admin);
        emit UpkeepCheckDataSet(id, checkData);
        emit UpkeepTriggerConfigSet(id, triggerConfig);
        emit UpkeepOffchainConfigSet(id, offchainConfig);
    }

    function nextId(uint8 triggerType) private returns (uint256) {
        uint256 digest = uint256(keccak256(abi.encodePacked(blockhash(block.number - 1), address(this), nonce++)));
        // Bytes 4 to 15 make room for the trigger type, which takes the last of them.
        uint256 room = uint256(type(uint96).max) << 128;
        return (digest & ~room) | (uint256(triggerType) << 128);
    }

    function removeActive(uint256 id) private {
        uint256 place = activePlaces[id];
        uint256 last = activeIds[activeIds.length - 1];
        activeIds[place - 1] = last;
        activePlaces[last] = place;
        activeIds.pop();
        delete activePlaces[id];
    }
}
