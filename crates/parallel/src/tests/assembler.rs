//! A small assembler: contracts as lists of steps over a small domain of addresses and slots, so
//! that random ones meet each other often.

use alloy_primitives::{Address, Bytes, U256};
use revm::bytecode::opcode as op;

/// One thing that a contract does. `u8` operands are reduced to the domain by whoever assembles.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// `slot += amount`
    Add {
        slot: u8,
        amount: u8,
    },
    /// `slot = calldata[0..32]`
    StoreInput {
        slot: u8,
    },
    /// `slot = 0`
    Clear {
        slot: u8,
    },
    StoreBalance {
        slot: u8,
        of: u8,
    },
    StoreOwnBalance {
        slot: u8,
    },
    StoreCoinbaseBalance {
        slot: u8,
    },
    StoreCodeHash {
        slot: u8,
        of: u8,
    },
    StoreCodeSize {
        slot: u8,
        of: u8,
    },
    StoreBlobHash {
        slot: u8,
    },
    StoreGasPrice {
        slot: u8,
    },
    StoreBlockHash {
        slot: u8,
        back: u8,
    },
    /// Calls with an input of one word and notes down success in memory.
    Call {
        to: u8,
        value: u8,
        gas: u16,
    },
    StaticCall {
        to: u8,
    },
    DelegateCall {
        to: u8,
    },
    PayCoinbase {
        value: u8,
    },
    /// Creates from one of the world's init codes.
    Create {
        code: u8,
        value: u8,
    },
    Create2 {
        code: u8,
        salt: u8,
        value: u8,
    },
    SelfDestruct {
        to: u8,
    },
    SelfDestructToCoinbase,
    Transient {
        key: u8,
        slot: u8,
    },
    Log {
        slot: u8,
    },
    Revert,
    Invalid,
    /// Burns all gas.
    Loop,
    /// Skips the step unless the slot is odd.
    IfOdd {
        slot: u8,
        step: Box<Step>,
    },
    /// Skips the step unless the slot of that number is below the one that follows.
    IfLess {
        slot: u8,
        than: u8,
        step: Box<Step>,
    },
}

/// What the numbers in steps stand for.
pub(crate) struct Domain<'a> {
    pub(crate) addresses: &'a [Address],
    pub(crate) init_codes: &'a [Bytes],
}

impl Domain<'_> {
    pub(crate) fn address(&self, number: u8) -> Address {
        self.addresses[usize::from(number) % self.addresses.len()]
    }
}

/// Storage slots that steps use.
pub(crate) const SLOTS: u8 = 4;

/// Assembles runtime code.
pub(crate) fn assemble(steps: &[Step], domain: &Domain<'_>) -> Bytes {
    let mut code = Vec::new();
    for step in steps {
        emit(&mut code, step, domain);
    }
    code.push(op::STOP);
    code.into()
}

/// Init code that runs `prologue` and then deploys `runtime`.
pub(crate) fn init_code(prologue: &[Step], runtime: &[u8], domain: &Domain<'_>) -> Bytes {
    let mut code = Vec::new();
    for step in prologue {
        emit(&mut code, step, domain);
    }
    let length = u16::try_from(runtime.len()).expect("test contracts are short");
    // The tail is PUSH2 len, PUSH2 offset, PUSH1 0, CODECOPY, PUSH2 len, PUSH1 0, RETURN.
    let offset = u16::try_from(code.len() + 15).expect("test contracts are short");
    code.push(op::PUSH2);
    code.extend(length.to_be_bytes());
    code.push(op::PUSH2);
    code.extend(offset.to_be_bytes());
    code.extend([op::PUSH1, 0, op::CODECOPY, op::PUSH2]);
    code.extend(length.to_be_bytes());
    code.extend([op::PUSH1, 0, op::RETURN]);
    code.extend(runtime);
    code.into()
}

fn push_byte(code: &mut Vec<u8>, value: u8) {
    code.extend([op::PUSH1, value]);
}

fn push_slot(code: &mut Vec<u8>, slot: u8) {
    push_byte(code, slot % SLOTS);
}

fn push_address(code: &mut Vec<u8>, address: Address) {
    code.push(op::PUSH20);
    code.extend(address);
}

/// `SSTORE` of the value on top of the stack.
fn store(code: &mut Vec<u8>, slot: u8) {
    push_slot(code, slot);
    code.push(op::SSTORE);
}

fn load(code: &mut Vec<u8>, slot: u8) {
    push_slot(code, slot);
    code.push(op::SLOAD);
}

fn emit(code: &mut Vec<u8>, step: &Step, domain: &Domain<'_>) {
    match step {
        Step::Add { slot, amount } => {
            load(code, *slot);
            push_byte(code, *amount);
            code.push(op::ADD);
            store(code, *slot);
        }
        Step::StoreInput { slot } => {
            push_byte(code, 0);
            code.push(op::CALLDATALOAD);
            store(code, *slot);
        }
        Step::Clear { slot } => {
            push_byte(code, 0);
            store(code, *slot);
        }
        Step::StoreBalance { slot, of } => {
            push_address(code, domain.address(*of));
            code.push(op::BALANCE);
            store(code, *slot);
        }
        Step::StoreOwnBalance { slot } => {
            code.extend([op::ADDRESS, op::BALANCE]);
            store(code, *slot);
        }
        Step::StoreCoinbaseBalance { slot } => {
            code.extend([op::COINBASE, op::BALANCE]);
            store(code, *slot);
        }
        Step::StoreCodeHash { slot, of } => {
            push_address(code, domain.address(*of));
            code.push(op::EXTCODEHASH);
            store(code, *slot);
        }
        Step::StoreCodeSize { slot, of } => {
            push_address(code, domain.address(*of));
            code.push(op::EXTCODESIZE);
            store(code, *slot);
        }
        Step::StoreBlobHash { slot } => {
            code.extend([op::PUSH1, 0, op::BLOBHASH]);
            store(code, *slot);
        }
        Step::StoreGasPrice { slot } => {
            code.push(op::GASPRICE);
            store(code, *slot);
        }
        Step::StoreBlockHash { slot, back } => {
            push_byte(code, *back);
            code.extend([op::NUMBER, op::SUB, op::BLOCKHASH]);
            store(code, *slot);
        }
        Step::Call { to, value, gas } => {
            // out size, out offset, in size, in offset, value, address, gas
            code.extend([op::PUSH1, 32, op::PUSH1, 0, op::PUSH1, 32, op::PUSH1, 0]);
            push_byte(code, *value);
            push_address(code, domain.address(*to));
            code.push(op::PUSH3);
            code.extend(&(u32::from(*gas) * 4).to_be_bytes()[1..]);
            code.extend([op::CALL, op::PUSH1, 0, op::MSTORE]);
        }
        Step::StaticCall { to } => {
            code.extend([op::PUSH1, 32, op::PUSH1, 0, op::PUSH1, 32, op::PUSH1, 0]);
            push_address(code, domain.address(*to));
            code.extend([op::GAS, op::STATICCALL, op::PUSH1, 0, op::MSTORE]);
        }
        Step::DelegateCall { to } => {
            code.extend([op::PUSH1, 32, op::PUSH1, 0, op::PUSH1, 32, op::PUSH1, 0]);
            push_address(code, domain.address(*to));
            code.extend([op::PUSH2, 0xff, 0xff, op::DELEGATECALL, op::PUSH1, 0, op::MSTORE]);
        }
        Step::PayCoinbase { value } => {
            code.extend([op::PUSH1, 0, op::PUSH1, 0, op::PUSH1, 0, op::PUSH1, 0]);
            push_byte(code, *value);
            code.extend([op::COINBASE, op::PUSH2, 0xff, 0xff, op::CALL, op::POP]);
        }
        Step::Create { code: number, value } => {
            let length = emit_init_code(code, *number, domain);
            push_byte(code, length);
            push_byte(code, 0);
            push_byte(code, *value);
            code.extend([op::CREATE, op::POP]);
        }
        Step::Create2 { code: number, salt, value } => {
            let length = emit_init_code(code, *number, domain);
            push_byte(code, salt % 2);
            push_byte(code, length);
            push_byte(code, 0);
            push_byte(code, *value);
            code.extend([op::CREATE2, op::POP]);
        }
        Step::SelfDestruct { to } => {
            push_address(code, domain.address(*to));
            code.push(op::SELFDESTRUCT);
        }
        Step::SelfDestructToCoinbase => code.extend([op::COINBASE, op::SELFDESTRUCT]),
        Step::Transient { key, slot } => {
            push_byte(code, key % 2);
            code.push(op::TLOAD);
            load(code, *slot);
            code.push(op::ADD);
            push_byte(code, 1);
            code.push(op::ADD);
            code.push(op::DUP1);
            push_byte(code, key % 2);
            code.push(op::TSTORE);
            store(code, *slot);
        }
        Step::Log { slot } => {
            load(code, *slot);
            code.extend([op::PUSH1, 32, op::PUSH1, 0, op::LOG1]);
        }
        Step::Revert => code.extend([op::PUSH1, 32, op::PUSH1, 0, op::REVERT]),
        Step::Invalid => code.push(op::INVALID),
        Step::Loop => {
            let here = u16::try_from(code.len()).expect("test contracts are short");
            code.extend([op::JUMPDEST, op::PUSH2]);
            code.extend(here.to_be_bytes());
            code.push(op::JUMP);
        }
        Step::IfOdd { slot, step } => {
            load(code, *slot);
            code.extend([op::PUSH1, 1, op::AND, op::ISZERO]);
            emit_skipped(code, step, domain);
        }
        Step::IfLess { slot, than, step } => {
            load(code, than.wrapping_add(*slot));
            load(code, *slot);
            code.extend([op::LT, op::ISZERO]);
            emit_skipped(code, step, domain);
        }
    }
}

/// A step that is jumped over if the stack's top is not zero.
fn emit_skipped(code: &mut Vec<u8>, step: &Step, domain: &Domain<'_>) {
    code.push(op::PUSH2);
    let target_at = code.len();
    code.extend([0, 0, op::JUMPI]);
    emit(code, step, domain);
    let target = u16::try_from(code.len()).expect("test contracts are short");
    code[target_at..target_at + 2].copy_from_slice(&target.to_be_bytes());
    code.push(op::JUMPDEST);
}

/// Writes an init code to memory from offset 0; gives its length.
fn emit_init_code(code: &mut Vec<u8>, number: u8, domain: &Domain<'_>) -> u8 {
    let init = &domain.init_codes[usize::from(number) % domain.init_codes.len()];
    for (index, chunk) in init.chunks(32).enumerate() {
        let mut word = [0; 32];
        word[..chunk.len()].copy_from_slice(chunk);
        code.push(op::PUSH32);
        code.extend(word);
        push_byte(code, u8::try_from(index * 32).expect("test init codes are short"));
        code.push(op::MSTORE);
    }
    u8::try_from(init.len()).expect("test init codes are short")
}

/// Call data of one word.
pub(crate) fn word(value: u64) -> Bytes {
    U256::from(value).to_be_bytes::<32>().into()
}
