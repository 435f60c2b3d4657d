// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IWrappedNative, ITokenReceiver} from "../src/interfaces/IWrappedNative.sol";
import {TriggerType} from "../src/RegistryTypes.sol";
import {
    IUpkeepRegistry, Registrar, RegistrationParams, RegistrationParamsWithToken
} from "../src/Registrar.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {Vm} from "./Vm.sol";

/// Takes tokens and sends them back where it is told to.
contract Returner is ITokenReceiver {
    function onTokenTransfer(address sender, uint256 amount, bytes calldata data) external {
        if (data.length != 0) IWrappedNative(msg.sender).transferAndCall(sender, amount, "");
    }
}

/// Registers itself, pays for itself with the token, and takes its money back: as contracts for automation registries do.
contract SelfFunding is ITokenReceiver {
    uint256 public id;
    uint256 public performs;
    IWrappedNative private immutable TOKEN;

    constructor(IWrappedNative token) {
        TOKEN = token;
    }

    function onTokenTransfer(address, uint256, bytes calldata) external {}

    function start(Registrar registrar, uint96 amount) external {
        TOKEN.approve(address(registrar), amount);
        RegistrationParams memory params;
        params.name = "self-funding";
        params.upkeepContract = address(this);
        params.gasLimit = 200_000;
        params.adminAddress = address(this);
        params.amount = amount;
        id = registrar.registerUpkeep(params);
    }

    function performUpkeep(bytes calldata) external {
        ++performs;
    }

    function act(address to, bytes calldata data) external {
        (bool success,) = to.call(data);
        require(success, "refused");
    }
}

/// The wrapped native token, funding with it, and the registrar.
contract TokensTest is RegistryTest {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Transfer(address indexed from, address indexed to, uint256 value, bytes data);

    Registrar private registrar;
    uint256 private id;

    function setUp() public override {
        super.setUp();
        registrar = new Registrar(IUpkeepRegistry(address(registry)), token);
        id = register(address(probe), TriggerType.CONDITION, "");
        token.deposit{value: 100 ether}();
    }

    /// No wei is anywhere but where it belongs.
    function settled() private view {
        assertEq(address(registry).balance, 0, "nothing stays in the registry");
        assertEq(address(registrar).balance, 0, "nothing stays in the registrar");
        assertEq(token.balanceOf(address(registry)), 0, "no tokens stay in the registry");
        assertEq(token.balanceOf(address(registrar)), 0, "no tokens stay in the registrar");
        uint256 owed = extension().getOwed(id);
        assertEq(registry.getForwarder(id).balance, registry.getBalance(id) + owed, "the forwarder holds the balance");
        assertEq(owed, registry.getUpkeep(id).amountSpent, "and what the lanes are owed");
    }

    function paramsOf(uint96 amount) private view returns (RegistrationParams memory) {
        return RegistrationParams({
            name: "mine",
            encryptedEmail: hex"e0",
            upkeepContract: address(probe),
            gasLimit: PERFORM_GAS,
            adminAddress: ADMIN,
            triggerType: 0,
            checkData: hex"c0de",
            triggerConfig: "",
            offchainConfig: hex"0ff0",
            amount: amount
        });
    }

    function test_theTokenWrapsAndUnwraps(uint96 amount, uint96 some) public {
        vm.assume(some <= amount);
        vm.deal(STRANGER, amount);
        vm.startPrank(STRANGER);
        (bool sent,) = address(token).call{value: amount}("");
        assertTrue(sent, "wrapped");
        assertEq(token.balanceOf(STRANGER), amount, "one to one");
        assertEq(token.totalSupply(), address(token).balance, "backed");
        token.withdraw(some);
        assertEq(STRANGER.balance, some, "unwrapped");
        assertEq(token.balanceOf(STRANGER), amount - some, "the rest");
        vm.expectRevert(
            abi.encodeWithSelector(
                IWrappedNative.InsufficientBalance.selector, STRANGER, uint256(amount - some), uint256(amount) + 1
            )
        );
        token.withdraw(uint256(amount) + 1);
        vm.stopPrank();
    }

    function test_transfersMoveAndNeverMake(uint96 amount, address to) public {
        vm.assume(to != address(0) && to != address(token) && amount <= 100 ether);
        uint256 before = token.balanceOf(to) + token.balanceOf(address(this));
        token.transfer(to, amount);
        uint256 held = to == address(this) ? 100 ether : uint256(100 ether) - amount;
        assertEq(token.balanceOf(address(this)), held, "less");
        assertEq(token.balanceOf(to) + (to == address(this) ? 100 ether : held), before, "as much as before");
    }

    function test_allowancesAreKept() public {
        token.approve(STRANGER, 5);
        token.increaseApproval(STRANGER, 3);
        token.decreaseApproval(STRANGER, 1);
        assertEq(token.allowance(address(this), STRANGER), 7, "allowed");
        vm.startPrank(STRANGER);
        token.transferFrom(address(this), STRANGER, 6);
        vm.expectRevert(
            abi.encodeWithSelector(IWrappedNative.InsufficientAllowance.selector, STRANGER, uint256(1), uint256(2))
        );
        token.transferFrom(address(this), STRANGER, 2);
        vm.stopPrank();
        token.decreaseApproval(STRANGER, 100);
        assertEq(token.allowance(address(this), STRANGER), 0, "not below zero");
        token.approve(STRANGER, type(uint256).max);
        vm.prank(STRANGER);
        token.transferFrom(address(this), STRANGER, 2);
        assertEq(token.allowance(address(this), STRANGER), type(uint256).max, "not used up");
        vm.expectRevert(IWrappedNative.InvalidRecipient.selector);
        token.transfer(address(token), 1);
        vm.expectRevert(IWrappedNative.InvalidRecipient.selector);
        token.transfer(address(0), 1);
    }

    function test_transferAndCallTells() public {
        Returner returner = new Returner();
        vm.expectEmit(true, true, true, true, address(token));
        emit Transfer(address(this), address(returner), 7);
        vm.expectEmit(true, true, true, true, address(token));
        emit Transfer(address(this), address(returner), 7, "");
        token.transferAndCall(address(returner), 7, "");
        assertEq(token.balanceOf(address(returner)), 7, "taken");
        token.transferAndCall(STRANGER, 7, hex"1234");
        assertEq(token.balanceOf(STRANGER), 7, "an account without code is not called");
    }

    function test_fundingByTransferAndCall(uint96 amount) public {
        vm.assume(amount <= 100 ether);
        vm.expectEmit(true, true, true, true, address(registry));
        emit FundsAdded(id, address(this), amount);
        token.transferAndCall(address(registry), amount, abi.encode(id));
        assertEq(registry.getBalance(id), amount, "funded");
        settled();
    }

    function test_fundingByAllowance() public {
        token.approve(address(registry), 2 ether);
        registry.addFunds(id, 2 ether);
        assertEq(registry.getBalance(id), 2 ether, "funded");
        vm.expectRevert();
        registry.addFunds(id, 1);
        settled();
    }

    function test_wrongFundingIsRefused() public {
        (bool told, bytes memory why) = address(registry).call(abi.encodeCall(ITokenReceiver.onTokenTransfer, (STRANGER, 1, abi.encode(id))));
        assertTrue(!told && bytes4(why) == OnlyCallableByLINKToken.selector, "not from the token");
        vm.expectRevert(InvalidDataLength.selector);
        token.transferAndCall(address(registry), 1, abi.encodePacked(id, uint8(0)));
        vm.expectRevert(UpkeepCancelled.selector);
        token.transferAndCall(address(registry), 1, abi.encode(id + 1));
        (bool sent,) = address(registry).call{value: 1}("");
        assertTrue(!sent, "nobody can leave money in the registry");
        settled();
    }

    function cancelAndWithdraw(uint256 upkeep, address to) private {
        vm.prank(ADMIN);
        registry.cancelUpkeep(upkeep);
        vm.roll(block.number + 50);
        vm.prank(ADMIN);
        registry.withdrawFunds(upkeep, to);
    }

    function test_whatTheAdminPaidInTokensIsPaidOutInThem() public {
        token.transfer(ADMIN, 3 ether);
        vm.prank(ADMIN);
        token.transferAndCall(address(registry), 3 ether, abi.encode(id));
        registry.addFunds{value: 1 ether}(id, 1 ether);
        performBy(LANE, id, "");
        uint96 left = registry.getBalance(id);
        uint256 before = STRANGER.balance;
        cancelAndWithdraw(id, STRANGER);
        assertEq(token.balanceOf(STRANGER), left, "tokens");
        assertEq(STRANGER.balance, before, "no ether");
        settled();
    }

    /// A stranger's tokens must not decide that the admin, who may not be able to move them, gets tokens.
    function test_strangersDoNotDecideWhatIsPaidOut(uint96 amount) public {
        vm.assume(amount <= 1 ether);
        token.transferAndCall(address(registry), amount, abi.encode(id));
        registry.addFunds{value: 1 ether}(id, 1 ether);
        uint256 before = STRANGER.balance;
        cancelAndWithdraw(id, STRANGER);
        assertEq(STRANGER.balance - before, uint256(amount) + 1 ether, "ether");
        vm.expectRevert(InvalidRecipient.selector);
        vm.prank(ADMIN);
        registry.withdrawFunds(id, address(registry));
        settled();
    }

    function test_whatCameFirstAsEtherIsPaidOutAsEther() public {
        registry.addFunds{value: 1 ether}(id, 1 ether);
        token.transferAndCall(address(registry), 3 ether, abi.encode(id));
        uint256 before = STRANGER.balance;
        cancelAndWithdraw(id, STRANGER);
        assertEq(STRANGER.balance - before, 4 ether, "ether");
        assertEq(token.balanceOf(STRANGER), 0, "no tokens");
        settled();
    }

    function test_theRegistrarRegistersAndFunds() public {
        token.approve(address(registrar), 2 ether);
        vm.recordLogs();
        id = registrar.registerUpkeep(paramsOf(2 ether));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes32 hash = keccak256(
            abi.encode(address(probe), PERFORM_GAS, ADMIN, uint8(0), bytes(hex"c0de"), bytes(""), bytes(hex"0ff0"))
        );
        assertTrue(logs[0].emitter == address(registrar) && logs[0].topics[1] == hash, "requested");
        uint256 approved;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != Registrar.RegistrationApproved.selector) continue;
            assertTrue(logs[i].topics[1] == hash && uint256(logs[i].topics[2]) == id, "approved");
            ++approved;
        }
        assertEq(approved, 1, "once");
        assertEq(registry.getBalance(id), 2 ether, "funded");
        assertEq(registry.getUpkeep(id).admin, ADMIN, "admin");
        assertTrue(performBy(LANE, id, ""), "performed");
        cancelAndWithdraw(id, STRANGER);
        assertTrue(token.balanceOf(STRANGER) > 1 ether, "tokens come back");
        settled();
    }

    function withToken(address billingToken, uint96 amount) private view returns (RegistrationParamsWithToken memory) {
        return RegistrationParamsWithToken({
            upkeepContract: address(probe),
            amount: amount,
            adminAddress: ADMIN,
            gasLimit: PERFORM_GAS,
            triggerType: 0,
            billingToken: billingToken,
            name: "mine",
            encryptedEmail: "",
            checkData: hex"c0de",
            triggerConfig: "",
            offchainConfig: ""
        });
    }

    function test_theNewerFormTakesEtherOrTokens() public {
        id = registrar.registerUpkeep{value: 1 ether}(withToken(address(0), 1 ether));
        assertEq(registry.getBalance(id), 1 ether, "ether");
        id = registrar.registerUpkeep{value: 1 ether}(withToken(address(token), 1 ether));
        assertEq(registry.getBalance(id), 1 ether, "ether for the token's sake");
        token.approve(address(registrar), 2 ether);
        id = registrar.registerUpkeep(withToken(address(token), 2 ether));
        assertEq(registry.getBalance(id), 2 ether, "tokens");
        id = registrar.registerUpkeep(withToken(address(0), 0));
        assertEq(registry.getBalance(id), 0, "nothing");
        vm.expectRevert(Registrar.AmountMismatch.selector);
        registrar.registerUpkeep{value: 1}(withToken(address(0), 2));
        vm.expectRevert(Registrar.InvalidBillingToken.selector);
        registrar.registerUpkeep(withToken(address(probe), 0));
        settled();
    }

    function registerCall(uint96 amount, address sender) private view returns (bytes memory) {
        return abi.encodeCall(
            registrar.register,
            ("mine", hex"e0", address(probe), PERFORM_GAS, ADMIN, 0, hex"c0de", "", hex"0ff0", amount, sender)
        );
    }

    function test_registrationByTransferAndCall() public {
        vm.recordLogs();
        token.transferAndCall(address(registrar), 2 ether, registerCall(2 ether, address(this)));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == Registrar.RegistrationApproved.selector) id = uint256(logs[i].topics[2]);
        }
        assertEq(registry.getBalance(id), 2 ether, "funded");
        assertEq(registry.getUpkeep(id).checkData, hex"c0de", "check data");
        settled();

        vm.expectRevert(Registrar.AmountMismatch.selector);
        token.transferAndCall(address(registrar), 1 ether, registerCall(2 ether, address(this)));
        vm.expectRevert(Registrar.SenderMismatch.selector);
        token.transferAndCall(address(registrar), 2 ether, registerCall(2 ether, STRANGER));
        vm.expectRevert(Registrar.FunctionNotPermitted.selector);
        token.transferAndCall(address(registrar), 2 ether, hex"12345678");
        vm.expectRevert(Registrar.FunctionNotPermitted.selector);
        token.transferAndCall(address(registrar), 2 ether, "");
        vm.expectRevert(Registrar.OnlyLink.selector);
        registrar.onTokenTransfer(address(this), 2 ether, registerCall(2 ether, address(this)));
        (bool called, bytes memory why) = address(registrar).call(registerCall(2 ether, address(this)));
        assertTrue(!called && bytes4(why) == Registrar.OnlyLink.selector, "only by way of the token");
        settled();
    }

    function test_rubbishForTheRegistrarIsRefused(bytes calldata data) public {
        vm.expectRevert();
        token.transferAndCall(address(registrar), 1, abi.encodePacked(registrar.register.selector, data));
        settled();
    }

    function test_aContractRegistersPaysAndEndsItself() public {
        SelfFunding own = new SelfFunding(token);
        token.transfer(address(own), 5 ether);
        own.start(registrar, 2 ether);
        id = own.id();
        assertTrue(performBy(LANE, id, ""), "performed");
        assertEq(own.performs(), 1, "once");
        own.act(address(token), abi.encodeCall(token.transferAndCall, (address(registry), 1 ether, abi.encode(id))));
        own.act(address(registry), abi.encodeCall(registry.cancelUpkeep, (id)));
        vm.roll(block.number + 50);
        uint96 left = registry.getBalance(id);
        own.act(address(registry), abi.encodeCall(registry.withdrawFunds, (id, address(own))));
        assertEq(token.balanceOf(address(own)), 2 ether + left, "all that was not spent");
        settled();
    }
}
