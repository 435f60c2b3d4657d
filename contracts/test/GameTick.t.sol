// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {GameTick} from "../examples/GameTick.sol";
import {TriggerType} from "../src/RegistryTypes.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// The game's world, whose ticks come through a registry, beside a world in which every farm is worked in every tick.
contract GameTickTest is RegistryTest {
    GameTick private game;
    uint256 private id;
    /// The other world: fields and grain of each player.
    uint256[4] private fields;
    uint256[4] private grain;

    function setUp() public override {
        super.setUp();
        game = new GameTick();
        id = register(address(game), TriggerType.INTERVAL, abi.encode(uint64(5), uint64(0)));
        registry.addFunds{value: 10 ether}(id, 10 ether);
        game.setForwarder(registry.getForwarder(id));
    }

    function player(uint256 index) private pure returns (address) {
        return address(uint160(0x20000 + index));
    }

    function tick() private {
        assertTrue(performBy(LANE, id, ""), "a tick succeeds");
        (uint64 number,) = game.world();
        for (uint256 index = 0; index < fields.length; ++index) {
            grain[index] += fields[index] * game.yieldAt(number);
        }
    }

    function join(uint256 index) private {
        vm.prank(player(index));
        game.join();
        fields[index] = 1;
    }

    function test_aYearOfTicks() public {
        join(0);
        uint256[4] memory expected = [uint256(2), 7, 10, 10];
        for (uint256 season = 0; season < 4; ++season) {
            tick();
            assertEq(game.grainOf(player(0)), expected[season], "grain");
        }
    }

    function test_newFieldsBearFromTheNextTickOn() public {
        join(0);
        for (uint256 season = 0; season < 6; ++season) {
            tick();
        }
        assertEq(game.grainOf(player(0)), 17, "a year and a half");
        vm.prank(player(0));
        game.plant(1);
        assertEq(game.grainOf(player(0)), 5, "12 are spent");
        tick();
        assertEq(game.grainOf(player(0)), 11, "two fields in autumn");
    }

    function test_joiningLateGivesNothingOfThePast() public {
        for (uint256 season = 0; season < 5; ++season) {
            tick();
        }
        join(1);
        assertEq(game.grainOf(player(1)), 0, "at first");
        tick();
        assertEq(game.grainOf(player(1)), 5, "its first summer");
    }

    function test_ticksComeFromTheForwarderOnly() public {
        vm.prank(STRANGER);
        vm.expectRevert(GameTick.OnlyForwarder.selector);
        game.performUpkeep("");
        vm.prank(STRANGER);
        vm.expectRevert(GameTick.OnlyOwner.selector);
        game.setForwarder(STRANGER);
        uint256 other = register(address(game), TriggerType.INTERVAL, abi.encode(uint64(1), uint64(0)));
        registry.addFunds{value: 1 ether}(other, 1 ether);
        assertTrue(!performBy(LANE, other, ""), "another upkeep of the same contract is a stranger, too");
        (uint64 number,) = game.world();
        assertEq(number, 0, "ticks");
    }

    function test_refusesWhatPlayersCannotDo() public {
        vm.prank(player(0));
        vm.expectRevert(GameTick.NotJoined.selector);
        game.plant(1);
        join(0);
        vm.prank(player(0));
        vm.expectRevert(GameTick.AlreadyJoined.selector);
        game.join();
        tick();
        vm.prank(player(0));
        vm.expectRevert(abi.encodeWithSelector(GameTick.NotEnoughGrain.selector, 2, 12));
        game.plant(1);
    }

    /// A tick touches the world's slot and the forwarder's, whoever plays.
    function test_aTickWritesOneSlot() public {
        for (uint256 index = 0; index < 4; ++index) {
            join(index);
        }
        vm.record();
        tick();
        (, bytes32[] memory writes) = vm.accesses(address(game));
        assertEq(writes.length, 1, "slots written");
    }

    /// What players have is what they would have had every farm been worked in every tick.
    function testFuzz_lazyIsTheSameAsEager(uint8[64] memory steps) public {
        for (uint256 step = 0; step < steps.length; ++step) {
            (uint256 index, uint256 what) = (steps[step] % 4, steps[step] / 4);
            if (what < 32) {
                tick();
            } else if (fields[index] == 0) {
                join(index);
            } else {
                uint32 more = uint32(what % 3 + 1);
                uint256 price = more * game.FIELD_PRICE();
                if (grain[index] < price) continue;
                vm.prank(player(index));
                game.plant(more);
                grain[index] -= price;
                fields[index] += more;
            }
            for (uint256 other = 0; other < 4; ++other) {
                assertEq(game.grainOf(player(other)), grain[other], "grain");
            }
        }
    }
}
