// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ITokenReceiver, IWrappedNative} from "./interfaces/IWrappedNative.sol";

/// @title The part of the registry that the registrar uses
interface IUpkeepRegistry {
    function registerUpkeep(
        address target,
        uint32 gasLimit,
        address admin,
        uint8 triggerType,
        address billingToken,
        bytes calldata checkData,
        bytes calldata triggerConfig,
        bytes calldata offchainConfig
    ) external returns (uint256 id);

    function addFunds(uint256 id, uint96 amount) external payable;
}

/// A registration in the form of version 2.1 of the automation interface.
struct RegistrationParams {
    string name;
    bytes encryptedEmail;
    address upkeepContract;
    uint32 gasLimit;
    address adminAddress;
    uint8 triggerType;
    bytes checkData;
    bytes triggerConfig;
    bytes offchainConfig;
    uint96 amount;
}

/// The same in the form of version 2.3.
struct RegistrationParamsWithToken {
    address upkeepContract;
    uint96 amount;
    address adminAddress;
    uint32 gasLimit;
    uint8 triggerType;
    /// The wrapped native token, or zero for the native one.
    address billingToken;
    string name;
    bytes encryptedEmail;
    bytes checkData;
    bytes triggerConfig;
    bytes offchainConfig;
}

/// The arguments of `register`.
struct RegisterArguments {
    string name;
    bytes encryptedEmail;
    address upkeepContract;
    uint32 gasLimit;
    address adminAddress;
    uint8 triggerType;
    bytes checkData;
    bytes triggerConfig;
    bytes offchainConfig;
    uint96 amount;
    address sender;
}

/// @title Registers upkeeps in the forms that contracts written for automation registrars use
/// @notice Every registration is approved at once. Money comes along as the token, which has to be approved before, or is sent
/// with `transferAndCall`, or as native token.
contract Registrar is ITokenReceiver {
    event RegistrationRequested(
        bytes32 indexed hash,
        string name,
        bytes encryptedEmail,
        address indexed upkeepContract,
        uint32 gasLimit,
        address adminAddress,
        uint8 triggerType,
        bytes triggerConfig,
        bytes offchainConfig,
        bytes checkData,
        uint96 amount
    );
    event RegistrationApproved(bytes32 indexed hash, string displayName, uint256 indexed upkeepId);

    /// What was sent is not the amount that the registration names.
    error AmountMismatch();
    /// `transferAndCall` may call `register` alone.
    error FunctionNotPermitted();
    error InvalidBillingToken();
    error OnlyLink();
    /// The sender that a registration names is not the one who sent the token.
    error SenderMismatch();

    string public constant typeAndVersion = "AutomationRegistrar 2.1.0";
    IUpkeepRegistry private immutable REGISTRY;
    IWrappedNative private immutable TOKEN;

    constructor(IUpkeepRegistry registry, IWrappedNative token) {
        REGISTRY = registry;
        TOKEN = token;
    }

    /// @notice Registers an upkeep and funds it with `amount` of the token, which the sender has to approve before.
    /// @return id The upkeep's id.
    function registerUpkeep(RegistrationParams calldata params) external returns (uint256 id) {
        id = registered(params, true);
        fundFrom(msg.sender, id, params.amount);
    }

    /// @notice Registers an upkeep and funds it with what is sent, or with `amount` of the token.
    function registerUpkeep(RegistrationParamsWithToken calldata params) external payable returns (uint256 id) {
        if (params.billingToken != address(0) && params.billingToken != address(TOKEN)) revert InvalidBillingToken();
        bool sent = msg.value != 0 || params.billingToken == address(0);
        if (sent && msg.value != params.amount) revert AmountMismatch();
        id = registered(
            RegistrationParams({
                name: params.name,
                encryptedEmail: params.encryptedEmail,
                upkeepContract: params.upkeepContract,
                gasLimit: params.gasLimit,
                adminAddress: params.adminAddress,
                triggerType: params.triggerType,
                checkData: params.checkData,
                triggerConfig: params.triggerConfig,
                offchainConfig: params.offchainConfig,
                amount: params.amount
            }),
            !sent
        );
        if (!sent) fundFrom(msg.sender, id, params.amount);
        else if (msg.value != 0) REGISTRY.addFunds{value: msg.value}(id, params.amount);
    }

    /// @notice Only by way of the token: `transferAndCall(registrar, amount, abi.encodeCall(register, …))`.
    function register(
        string calldata,
        bytes calldata,
        address,
        uint32,
        address,
        uint8,
        bytes calldata,
        bytes calldata,
        bytes calldata,
        uint96,
        address
    ) external pure {
        revert OnlyLink();
    }

    /// @inheritdoc ITokenReceiver
    function onTokenTransfer(address sender, uint256 amount, bytes calldata data) external {
        if (msg.sender != address(TOKEN)) revert OnlyLink();
        if (data.length < 4 || bytes4(data[:4]) != this.register.selector) revert FunctionNotPermitted();
        // Arguments are encoded as the struct is, behind one word that says where it begins.
        RegisterArguments memory asked = abi.decode(bytes.concat(bytes32(uint256(32)), data[4:]), (RegisterArguments));
        if (asked.amount != amount) revert AmountMismatch();
        if (asked.sender != sender) revert SenderMismatch();
        uint256 id = registered(
            RegistrationParams({
                name: asked.name,
                encryptedEmail: asked.encryptedEmail,
                upkeepContract: asked.upkeepContract,
                gasLimit: asked.gasLimit,
                adminAddress: asked.adminAddress,
                triggerType: asked.triggerType,
                checkData: asked.checkData,
                triggerConfig: asked.triggerConfig,
                offchainConfig: asked.offchainConfig,
                amount: asked.amount
            }),
            true
        );
        fund(id, asked.amount);
    }

    /// @param wrapped Whether it is paid for in the token.
    function registered(RegistrationParams memory params, bool wrapped) private returns (uint256 id) {
        bytes32 hash = keccak256(
            abi.encode(
                params.upkeepContract,
                params.gasLimit,
                params.adminAddress,
                params.triggerType,
                params.checkData,
                params.triggerConfig,
                params.offchainConfig
            )
        );
        emit RegistrationRequested(
            hash,
            params.name,
            params.encryptedEmail,
            params.upkeepContract,
            params.gasLimit,
            params.adminAddress,
            params.triggerType,
            params.triggerConfig,
            params.offchainConfig,
            params.checkData,
            params.amount
        );
        id = REGISTRY.registerUpkeep(
            params.upkeepContract,
            params.gasLimit,
            params.adminAddress,
            params.triggerType,
            wrapped ? address(TOKEN) : address(0),
            params.checkData,
            params.triggerConfig,
            params.offchainConfig
        );
        emit RegistrationApproved(hash, params.name, id);
    }

    function fundFrom(address sender, uint256 id, uint96 amount) private {
        if (amount == 0) return;
        TOKEN.transferFrom(sender, address(this), amount);
        fund(id, amount);
    }

    function fund(uint256 id, uint96 amount) private {
        if (amount != 0) TOKEN.transferAndCall(address(REGISTRY), amount, abi.encode(id));
    }
}
