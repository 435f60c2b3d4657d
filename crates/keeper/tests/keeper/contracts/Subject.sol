// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A target with every virtue and vice that the keeper has to cope with
/// @dev Check data is `abi.encode(kind, key)`; the perform data is the same bytes. Compile with the settings of
/// contracts/ (solc 0.8.37, evmVersion prague, viaIR, optimizer 10000 runs, no metadata) and put the deployed bytecode
/// into Subject.hex.
contract Subject {
    error Refused(uint256 key);
    error StreamsLookup(string feedParamKey, string[] feeds, string timeParamKey, uint256 time, bytes extraData);

    event Happened(uint256 indexed key, uint256 indexed kind, uint256 word);

    struct Log {
        uint256 index;
        uint256 timestamp;
        bytes32 txHash;
        uint256 blockNumber;
        bytes32 blockHash;
        address source;
        bytes32[] topics;
        bytes data;
    }

    mapping(uint256 key => uint256) public value;
    mapping(uint256 key => uint256) public count;
    uint256 public seenGas;
    address public seenSender;
    address public seenOrigin;
    bytes32 public seenLog;

    /// Emits `times` logs.
    function shout(uint256 key, uint256 kind, uint256 word, uint256 times) external {
        for (uint256 i = 0; i < times; ++i) emit Happened(key, kind, word + i);
    }

    /// Wants all logs but those with the word 5; the perform data ends with the hash of the log.
    function checkLog(Log calldata log, bytes calldata data) external returns (bool, bytes memory) {
        (uint256 kind, uint256 key) = abi.decode(data, (uint256, uint256));
        if (kind == 1) revert("not today");
        if (kind == 4) for (uint256 i = 0;; ++i) value[key] = i;
        if (kind == 13) {
            require(tx.origin == address(0), "origin");
            require(msg.sender.code.length > 0, "caller");
            require(gasleft() < 10_000_000 && gasleft() > 9_980_000, "gas");
            require(log.source == address(this) && log.topics.length == 3, "log");
        }
        if (kind == 22) revert StreamsLookup("feedIDs", new string[](0), "timestamp", 1, data);
        if (kind == 31) return (value[key] > 0, abi.encode(kind, key, keccak256(abi.encode(log))));
        bool needed = abi.decode(log.data, (uint256)) != 5;
        return (needed, abi.encode(kind, key, keccak256(abi.encode(log))));
    }

    function set(uint256 key, uint256 to) external {
        value[key] = to;
    }

    function checkUpkeep(bytes calldata data) external returns (bool needed, bytes memory performData) {
        (uint256 kind, uint256 key) = abi.decode(data, (uint256, uint256));
        performData = data;
        if (kind == 1) revert("not today");
        if (kind == 2) revert Refused(key);
        if (kind == 3) assert(key == type(uint256).max);
        if (kind == 4) for (uint256 i = 0;; ++i) value[key] = i;
        if (kind == 5) assembly { return(0, 1000000) }
        if (kind == 6) assembly { return(0, 7) }
        if (kind == 7) return (value[key] > 0, new bytes(6000));
        if (kind == 8) return (value[key] > 0 && block.timestamp >= value[key], performData);
        if (kind == 9) return (value[key] > 0 && block.number % value[key] == 0, performData);
        if (kind == 10) return (block.basefee > value[key], performData);
        if (kind == 11) return (address(uint160(key)).balance > value[key], performData);
        if (kind == 12) return (address(uint160(key)).code.length > 0 && value[key] > 0, performData);
        if (kind == 13) {
            // what a contract may rely on during a check
            require(tx.origin == address(0), "origin");
            require(msg.sender.code.length > 0, "caller");
            require(gasleft() < 10_000_000 && gasleft() > 9_990_000, "gas");
            value[key + 1] = 7;
            return (value[key + 1] == 7 && value[key] > 0, performData);
        }
        if (kind == 14) assembly { mstore(0, 2) mstore(32, 64) mstore(64, 0) return(0, 96) }
        if (kind == 18) return (true, performData);
        if (kind == 21) {
            uint256 sum;
            for (uint256 i = 0; i < 4; ++i) sum += value[key + i];
            return (sum > 3, performData);
        }
        if (kind == 25) revert StreamsLookup("feedIDs", new string[](200), "timestamp", 1, data);
        if (kind >= 22 && kind <= 24) revert StreamsLookup("feedIDs", new string[](kind - 22), "timestamp", 1, data);
        needed = value[key] > 0;
    }

    /// Performs with the code as the kind.
    function checkErrorHandler(uint256 code, bytes calldata extraData) external view returns (bool, bytes memory) {
        (uint256 kind, uint256 key) = abi.decode(extraData, (uint256, uint256));
        require(kind != 24, "no streams, no perform");
        return (value[key] > 0, abi.encode(code, key));
    }

    /// Answers as a resolver: with the whole call to make.
    function checker(uint256 key) external view returns (bool needed, bytes memory call) {
        return (value[key] > 0, abi.encodeCall(this.settle, (key)));
    }

    function settle(uint256 key) external {
        require(value[key] != 13, "thirteen");
        seenSender = msg.sender;
        value[key] = 0;
        ++count[key];
    }

    function performUpkeep(bytes calldata data) external {
        (uint256 kind, uint256 key) = abi.decode(data, (uint256, uint256));
        seenGas = gasleft();
        seenSender = msg.sender;
        seenOrigin = tx.origin;
        if (kind == 15) value[key + 1] = 1;
        if (kind == 16) require(value[key + 1] == 0, "wait for the neighbour");
        if (kind == 17) for (uint256 i = 0;; ++i) value[key] = i;
        if (kind == 21) for (uint256 i = 1; i < 4; ++i) value[key + i] = 0;
        if (kind != 18) value[key] = 0;
        if (kind > 800_000) value[key + 1] = kind;
        if (kind == 27) while (gasleft() > 100_000) {}
        if (kind == 26) emit Happened(key, kind, value[key + 1]);
        if (data.length > 64) (,, seenLog) = abi.decode(data, (uint256, uint256, bytes32));
        ++count[key];
    }
}
