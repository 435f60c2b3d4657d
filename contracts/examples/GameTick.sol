// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A game world with a pulse
/// @notice Players own fields, and each field yields grain with every tick, more or less by the season. An interval upkeep
/// makes the ticks. A tick costs the same with one player and with a million: it only adds its yield to what one field has
/// borne since the beginning; a player's grain is reckoned when somebody asks for it.
contract GameTick {
    /// The world. `borne` is the grain that one field has borne in all ticks so far.
    struct World {
        uint64 tick;
        uint128 borne;
    }

    /// A player's farm: its fields, the grain it had when it last changed, and `World.borne` at that time.
    struct Farm {
        uint32 fields;
        uint96 grain;
        uint128 borne;
    }

    /// A tick, the grain that each field bore in it, and its block.
    event Ticked(uint256 indexed tick, uint256 perField, uint256 blockNumber);
    /// A player came.
    event Joined(address indexed player);
    /// A player turned grain into fields.
    event Planted(address indexed player, uint256 fields, uint256 allFields);
    /// Whom performs are taken from.
    event ForwarderSet(address indexed forwarder);

    error AlreadyJoined();
    error NotEnoughGrain(uint256 has, uint256 needs);
    error NotJoined();
    error OnlyForwarder();
    error OnlyOwner();

    /// Grain that a new field costs.
    uint256 public constant FIELD_PRICE = 12;

    /// Who may name the forwarder.
    address public immutable owner;
    /// The forwarder of the world's upkeep, the only one who makes ticks.
    address public forwarder;
    /// Ticks so far, and what one field has borne in them.
    World public world;
    /// Farms as they were when they last changed.
    mapping(address => Farm) public farms;

    constructor() {
        owner = msg.sender;
    }

    /// @notice Names the forwarder of the world's upkeep, which exists only after registration. For the owner.
    function setForwarder(address forwarder_) external {
        if (msg.sender != owner) revert OnlyOwner();
        forwarder = forwarder_;
        emit ForwarderSet(forwarder_);
    }

    /// @notice One tick.
    /// @dev Nothing in the state says whether a tick is due, the registry keeps the interval; so none is taken from strangers.
    function performUpkeep(bytes calldata) external {
        if (msg.sender != forwarder) revert OnlyForwarder();
        uint64 tick = world.tick + 1;
        uint256 perField = yieldAt(tick);
        world = World(tick, world.borne + uint128(perField));
        emit Ticked(tick, perField, block.number);
    }

    /// @notice Gives the caller its first field.
    function join() external {
        if (farms[msg.sender].fields != 0) revert AlreadyJoined();
        farms[msg.sender] = Farm(1, 0, world.borne);
        emit Joined(msg.sender);
    }

    /// @notice Turns grain of the caller into fields, which bear from the next tick on.
    function plant(uint32 fields) external {
        Farm memory farm = farms[msg.sender];
        if (farm.fields == 0) revert NotJoined();
        uint256 grain = grainOf(msg.sender);
        uint256 price = fields * FIELD_PRICE;
        if (grain < price) revert NotEnoughGrain(grain, price);
        farms[msg.sender] = Farm(farm.fields + fields, uint96(grain - price), world.borne);
        emit Planted(msg.sender, fields, farm.fields + fields);
    }

    /// @notice The grain that a player has now.
    function grainOf(address player) public view returns (uint256) {
        Farm memory farm = farms[player];
        return farm.grain + farm.fields * (world.borne - farm.borne);
    }

    /// @notice The grain that a field bears in a tick (the first is 1): spring 2, summer 5, autumn 3, winter nothing.
    function yieldAt(uint256 tick) public pure returns (uint256) {
        return [2, 5, 3, 0][(tick - 1) % 4];
    }
}
