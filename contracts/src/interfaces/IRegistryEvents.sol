// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Events and errors of the registry
/// @notice Names, parameters and thereby topics and selectors are those that tools for automation registries know;
/// what this registry adds stands at the end of each list.
interface IRegistryEvents {
    event UpkeepRegistered(uint256 indexed id, uint32 performGas, address admin);
    event UpkeepCheckDataSet(uint256 indexed id, bytes newCheckData);
    event UpkeepTriggerConfigSet(uint256 indexed id, bytes triggerConfig);
    event UpkeepOffchainConfigSet(uint256 indexed id, bytes offchainConfig);
    event UpkeepGasLimitSet(uint256 indexed id, uint96 gasLimit);
    event UpkeepPaused(uint256 indexed id);
    event UpkeepUnpaused(uint256 indexed id);
    event UpkeepCanceled(uint256 indexed id, uint64 indexed atBlockHeight);
    event UpkeepAdminTransferRequested(uint256 indexed id, address indexed from, address indexed to);
    event UpkeepAdminTransferred(uint256 indexed id, address indexed from, address indexed to);
    event FundsAdded(uint256 indexed id, address indexed from, uint96 amount);
    event FundsWithdrawn(uint256 indexed id, uint256 amount, address to);
    event UpkeepPerformed(
        uint256 indexed id,
        bool indexed success,
        uint96 totalPayment,
        uint256 gasUsed,
        uint256 gasOverhead,
        bytes trigger
    );
    event CancelledUpkeepReport(uint256 indexed id, bytes trigger);
    event InsufficientFundsUpkeepReport(uint256 indexed id, bytes trigger);
    event StaleUpkeepReport(uint256 indexed id, bytes trigger);
    event DedupKeyAdded(bytes32 indexed dedupKey);
    event OwnershipTransferRequested(address indexed from, address indexed to);
    event OwnershipTransferred(address indexed from, address indexed to);
    event Paused(address account);
    event Unpaused(address account);

    /// A keeper account was authorised to perform upkeeps, or no longer is.
    event LaneSet(address indexed lane, bool active);
    /// The owner changed what performs cost and how large they may be.
    event SettingsSet(
        uint32 premiumPPB,
        uint32 flatGasOverhead,
        uint32 maxPerformGas,
        uint32 maxCheckDataSize,
        uint32 maxPerformDataSize,
        uint64 fallbackGasPrice
    );

    error CannotCancel();
    error CheckDataExceedsLimit();
    error GasLimitOutsideRange();
    error IndexOutOfRange();
    error InvalidDataLength();
    error InvalidRecipient();
    error InvalidReport();
    error InvalidToken();
    error InvalidTrigger();
    error InvalidTriggerType();
    error NotAContract();
    error OnlyActiveTransmitters();
    error OnlyCallableByAdmin();
    error OnlyCallableByLINKToken();
    error OnlyCallableByOwnerOrAdmin();
    error OnlyCallableByProposedAdmin();
    error OnlyPausedUpkeep();
    error OnlySimulatedBackend();
    error OnlyUnpausedUpkeep();
    error ReentrantCall();
    error RegistryPaused();
    error TransferFailed();
    error UpkeepAlreadyExists();
    error UpkeepCancelled();
    error UpkeepNotCanceled();
    error ValueNotChanged();
    error ZeroAddressNotAllowed();

    /// The value sent with `addFunds` is not the amount that it names.
    error AmountMismatch(uint96 amount, uint256 value);
    /// More of the token than an upkeep can hold.
    error InvalidTokenAmount(uint256 amount);
    /// The transaction's gas cannot give the target all of its perform gas.
    error InsufficientGas(uint256 available, uint256 required);
    /// A setting lies outside its range.
    error SettingOutsideRange();
}
