// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IWrappedNative} from "./interfaces/IWrappedNative.sol";
import {RegistryBase} from "./RegistryBase.sol";
import {RegistryEarnings} from "./RegistryEarnings.sol";
import {RegistryPlumbing} from "./RegistryPlumbing.sol";
import {RegistryTokens} from "./RegistryTokens.sol";
import {RegistryTools} from "./RegistryTools.sol";

/// @title What the registry answers beside the functions of its own
/// @dev The registry hands calls that it does not know on to this contract, whose code runs on the registry's storage: every
/// function in the registry itself makes each perform dearer, as a call is compared with all selectors in turn.
contract RegistryExtension is RegistryTools, RegistryTokens, RegistryEarnings, RegistryPlumbing {
    constructor(IWrappedNative token) RegistryBase(token) {}
}
