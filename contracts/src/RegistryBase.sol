// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IRegistryEvents} from "./interfaces/IRegistryEvents.sol";
import {IWrappedNative} from "./interfaces/IWrappedNative.sol";
import {LogTriggerConfig, Settings, Terms, TriggerType, Upkeep} from "./RegistryTypes.sol";

/// @title Storage, limits and guards of the registry
/// @dev Storage is laid out by who writes it. `settings` and `lanes` are read by every perform and written by the owner
/// alone; a perform writes nothing but the ledger slot of its own upkeep.
abstract contract RegistryBase is IRegistryEvents {
    /// Marks an upkeep that is not cancelled.
    uint32 internal constant ACTIVE = type(uint32).max;
    /// Blocks between an admin's cancellation and its taking effect.
    uint32 internal constant CANCELLATION_DELAY = 50;
    /// Smallest gas limit that an upkeep may register: the stipend of a plain transfer.
    uint32 internal constant MIN_PERFORM_GAS = 2_300;
    /// Parts per billion in one.
    uint256 internal constant PPB = 1e9;

    /// The wrapped native token, which upkeeps may be funded with.
    IWrappedNative internal immutable TOKEN;

    Settings internal settings;
    address internal contractOwner;
    address internal proposedOwner;
    mapping(address lane => bool active) internal lanes;
    mapping(uint256 id => Upkeep) internal upkeeps;
    /// Upkeeps that are not cancelled, in no particular order.
    uint256[] internal activeIds;
    /// Place of an upkeep in `activeIds`, counted from one; zero where it is not in there.
    mapping(uint256 id => uint256 place) internal activePlaces;
    /// Counts registrations, so that each gets an id of its own.
    uint32 internal nonce;
    /// Upkeeps and logs that were performed together; see `dedupKey`.
    mapping(bytes32 key => bool performed) internal dedupKeys;

    constructor(IWrappedNative token) {
        TOKEN = token;
    }

    modifier onlyOwner() {
        require(msg.sender == contractOwner, "Only callable by owner");
        _;
    }

    /// @notice Hands the registry to `to`, once that account accepts.
    function transferOwnership(address to) external onlyOwner {
        if (to == address(0)) revert ZeroAddressNotAllowed();
        if (to == msg.sender) revert ValueNotChanged();
        proposedOwner = to;
        emit OwnershipTransferRequested(msg.sender, to);
    }

    /// @notice Completes a transfer of ownership; called by the proposed owner.
    function acceptOwnership() external {
        require(msg.sender == proposedOwner, "Must be proposed owner");
        address former = contractOwner;
        contractOwner = msg.sender;
        proposedOwner = address(0);
        emit OwnershipTransferred(former, msg.sender);
    }

    function owner() external view returns (address) {
        return contractOwner;
    }

    /// @dev The bytes of an id that tell its trigger type are numbered from the most significant one.
    function triggerTypeOf(uint256 id) internal pure returns (uint8) {
        // Ids with anything in bytes 4 to 14 were not made by this scheme and count as conditional.
        if (uint88(id >> 136) != 0) return TriggerType.CONDITION;
        return uint8(id >> 128);
    }

    /// @dev Whether logs make the upkeep due.
    function isLogTrigger(uint256 id) internal pure returns (bool) {
        uint8 triggerType = triggerTypeOf(id);
        return triggerType == TriggerType.LOG || triggerType == TriggerType.SAME_BLOCK_LOG;
    }

    /// @dev The upkeep, which must be active and administered by the caller.
    function ownUpkeep(uint256 id) internal view returns (Upkeep storage upkeep) {
        upkeep = upkeeps[id];
        if (msg.sender != upkeep.admin) revert OnlyCallableByAdmin();
        if (upkeep.terms.maxValidBlocknumber != ACTIVE) revert UpkeepCancelled();
    }

    function requireGasLimitInRange(uint32 gasLimit) internal view {
        if (gasLimit < MIN_PERFORM_GAS || gasLimit > settings.maxPerformGas) revert GasLimitOutsideRange();
    }

    function requireCheckDataFits(bytes calldata checkData) internal view {
        if (checkData.length > settings.maxCheckDataSize) revert CheckDataExceedsLimit();
    }

    function requireOffchainConfigFits(bytes calldata config) internal view {
        if (config.length > settings.maxCheckDataSize) revert InvalidDataLength();
    }

    /// @dev Refuses trigger types that are not served and configurations that cannot be decoded.
    function requireTriggerServed(uint8 triggerType, bytes calldata config) internal view {
        if (triggerType == TriggerType.CONDITION) {
            // Nothing in it is read; some tools leave notes there.
            if (config.length > settings.maxCheckDataSize) revert InvalidTrigger();
        } else if (triggerType == TriggerType.INTERVAL) {
            if (config.length != 64) revert InvalidTrigger();
            (uint256 everyBlocks, uint256 everyMilliseconds) = abi.decode(config, (uint256, uint256));
            if (everyBlocks > type(uint64).max || everyMilliseconds > type(uint64).max) revert InvalidTrigger();
            if ((everyBlocks == 0) == (everyMilliseconds == 0)) revert InvalidTrigger();
        } else if (triggerType == TriggerType.CRON) {
            // The expression itself is read by the node alone.
            requireTail(config, 1);
        } else if (triggerType == TriggerType.RESOLVER) {
            requireTail(config, 2);
            uint256 resolver = uint256(bytes32(config[:32]));
            if (resolver == 0 || resolver > type(uint160).max) revert InvalidTrigger();
        } else if (triggerType == TriggerType.LOG || triggerType == TriggerType.SAME_BLOCK_LOG) {
            if (config.length != 192 || uint256(bytes32(config[32:64])) > 7) revert InvalidTrigger();
            uint256 source = uint256(bytes32(config[:32]));
            if (source == 0 || source > type(uint160).max) revert InvalidTrigger();
            if (abi.decode(config, (LogTriggerConfig)).topic0 == 0) revert InvalidTrigger();
        } else {
            revert InvalidTriggerType();
        }
    }

    /// @dev Refuses what is not the encoding of `words` values, the last of which is a `bytes` or `string` with
    /// something in it.
    function requireTail(bytes calldata config, uint256 words) private view {
        uint256 head = 32 * words;
        if (config.length <= head + 32 || config.length > settings.maxCheckDataSize) revert InvalidTrigger();
        uint256 length = uint256(bytes32(config[head:head + 32]));
        if (uint256(bytes32(config[head - 32:head])) != head) revert InvalidTrigger();
        if (length == 0 || length > config.length - head - 32) revert InvalidTrigger();
    }

    /// @dev Whether the upkeep may still be performed in this block. Unknown upkeeps may not.
    function isLive(Terms memory terms) internal view returns (bool) {
        return terms.maxValidBlocknumber > block.number;
    }
}
