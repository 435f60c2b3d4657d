// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title What explorers and dashboards ask an automation registry for that this chain does not have
/// @notice Oracle networks, price feeds, payees, tokens to pay in, migration: the answers are zeros and empty lists, so that
/// tools which ask for everything get through.
abstract contract RegistryPlumbing {
    function fallbackTo() external pure returns (address) {
        return address(0);
    }

    function getAdminPrivilegeConfig(address) external pure returns (bytes memory) {
        return "";
    }

    function getUpkeepPrivilegeConfig(uint256) external pure returns (bytes memory) {
        return "";
    }

    function getAutomationForwarderLogic() external pure returns (address) {
        return address(0);
    }

    function getChainModule() external pure returns (address) {
        return address(0);
    }

    function getReorgProtectionEnabled() external pure returns (bool) {
        return false;
    }

    function getMode() external pure returns (uint8) {
        return 0;
    }

    function getFastGasFeedAddress() external pure returns (address) {
        return address(0);
    }

    function getLinkNativeFeedAddress() external pure returns (address) {
        return address(0);
    }

    function getLinkUSDFeedAddress() external pure returns (address) {
        return address(0);
    }

    function getNativeUSDFeedAddress() external pure returns (address) {
        return address(0);
    }

    function getPerSignerGasOverhead() external pure returns (uint256) {
        return 0;
    }

    function getPerPerformByteGasOverhead() external pure returns (uint256) {
        return 0;
    }

    function getTransmitCalldataFixedBytesOverhead() external pure returns (uint256) {
        return 0;
    }

    function getTransmitCalldataPerSignerBytesOverhead() external pure returns (uint256) {
        return 0;
    }

    function getFallbackNativePrice() external pure returns (uint256) {
        return 0;
    }

    function getPayoutMode() external pure returns (uint8) {
        return 0;
    }

    function getPeerRegistryMigrationPermission(address) external pure returns (uint8) {
        return 0;
    }

    function upkeepTranscoderVersion() external pure returns (uint8) {
        return 0;
    }

    function upkeepVersion() external pure returns (uint8) {
        return 0;
    }

    /// @return None: upkeeps are paid for in the native token.
    function getBillingTokens() external pure returns (address[] memory) {
        return new address[](0);
    }

    function supportsBillingToken(address token) external pure returns (bool) {
        return token == address(0);
    }

    function getAvailableERC20ForPayment(address) external pure returns (uint256) {
        return 0;
    }

    function getReserveAmount(address) external pure returns (uint256) {
        return 0;
    }

    function getBillingOverrides(uint256) external pure returns (uint32 gasFeePPB, uint24 flatFeeMilliCents) {
        return (0, 0);
    }

    function getBillingOverridesEnabled(uint256) external pure returns (bool) {
        return false;
    }

    function getSignerInfo(address) external pure returns (bool active, uint8 index) {
        return (false, 0);
    }

    function getTransmitterInfo(address)
        external
        pure
        returns (bool active, uint8 index, uint96 balance, uint96 lastCollected, address payee)
    {
        return (false, 0, 0, 0, address(0));
    }

    function latestConfigDetails() external pure returns (uint32 count, uint32 blockNumber, bytes32 digest) {
        return (0, 0, 0);
    }

    function latestConfigDigestAndEpoch() external pure returns (bool scanLogs, bytes32 digest, uint32 epoch) {
        return (false, 0, 0);
    }

    function linkAvailableForPayment() external pure returns (int256) {
        return 0;
    }
}
