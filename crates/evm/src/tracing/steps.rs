//! Geth's struct logger: every step of an execution, as JSON text.
//!
//! Each step is written once, while the machine stands at it. Recording steps as values first and then writing
//! them member by member through a serializer cost several times what the execution itself does. The text has the
//! members that [`alloy_rpc_types_trace::geth::StructLog`] has, in another order: what is known only when a step has ended stands last.

use super::{
    Traced, TracingDatabase, TracingError,
    guard::{Guard, TraceLimits},
};
use crate::{EvmEnv, TxEnv, json};
use alloy_evm::Evm;
use alloy_primitives::{Address, Bytes, U256, hex, map::HashMap};
use alloy_rpc_types_trace::geth::GethDefaultTracingOptions;
use plasma_vm::PlasmaEvm;
use revm::{
    Inspector,
    bytecode::opcode::{OpCode, SLOAD, SSTORE},
    context_interface::{
        ContextTr,
        result::{HaltReason, ResultAndState},
    },
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        interpreter_types::{InputsTr, Jumps, LoopControl, MemoryTr, ReturnData, RuntimeFlag},
    },
    primitives::hardfork::SpecId,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, fmt::Write};

/// What the struct logger answers, with the members of [`alloy_rpc_types_trace::geth::DefaultFrame`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepTrace {
    /// Whether the transaction failed.
    pub failed: bool,
    /// Gas of the transaction, as its receipt has it.
    pub gas: u64,
    /// Of `gas`, what execution took (EIP-8037); absent before Amsterdam.
    #[serde(with = "alloy_serde::quantity::opt", skip_serializing_if = "Option::is_none")]
    pub execution_gas_used: Option<u64>,
    /// Of `gas`, what new state took (EIP-8037); absent before Amsterdam.
    #[serde(with = "alloy_serde::quantity::opt", skip_serializing_if = "Option::is_none")]
    pub state_gas_used: Option<u64>,
    /// The refund (EIP-3529) that was granted; absent before Amsterdam.
    #[serde(with = "alloy_serde::quantity::opt", skip_serializing_if = "Option::is_none")]
    pub gas_refund: Option<u64>,
    /// What the transaction returned, or the reason of its revert.
    pub return_value: Bytes,
    /// The steps: a JSON array of objects.
    pub struct_logs: Box<RawValue>,
}

/// Executes `tx` on `db` in `env` and writes its steps. Commits nothing.
///
/// # Errors
/// The transaction is invalid there, the state cannot be read, or a limit was reached.
pub(super) fn trace<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    options: &GethDefaultTracingOptions,
    limits: TraceLimits,
) -> Result<Traced<StepTrace>, TracingError> {
    let mut writer = StepWriter::new(options, limits);
    let executed = {
        let evm = PlasmaEvm::new(&mut *db, env.clone());
        evm.with_inspector(&mut writer).transact_raw(tx)
    };
    if let Some(error) = writer.guard.error() {
        return Err(error);
    }
    let outcome = executed.map_err(TracingError::from_evm)?;
    let amsterdam = SpecId::is_enabled_in(env.cfg_env.spec, SpecId::AMSTERDAM);
    Ok(Traced { trace: writer.finish(&outcome, amsterdam), outcome })
}

/// The step that the machine stands at.
#[derive(Clone, Copy, Debug)]
struct Open {
    opcode: u8,
    /// Gas before it.
    gas: u64,
    /// EIP-8037's state gas before it; `None` before Amsterdam.
    state_gas: Option<i64>,
    /// The slot that it reads or writes, and the value of a write.
    slot: Option<(U256, Option<U256>)>,
}

/// Writes steps as they happen.
#[derive(Debug)]
struct StepWriter<'a> {
    options: &'a GethDefaultTracingOptions,
    /// Steps that are written at most.
    most: u64,
    steps: u64,
    /// Frames that are open.
    depth: u64,
    text: String,
    open: Option<Open>,
    /// The slots that were read or written so far.
    storage: HashMap<Address, BTreeMap<U256, U256>>,
    guard: Guard,
}

impl<'a> StepWriter<'a> {
    fn new(options: &'a GethDefaultTracingOptions, limits: TraceLimits) -> Self {
        Self {
            options,
            most: options.limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX),
            steps: 0,
            depth: 0,
            text: String::from("["),
            open: None,
            storage: HashMap::default(),
            guard: Guard::new(limits, None),
        }
    }

    /// Writes what is known of a step before it is done.
    fn begin(&mut self, interp: &Interpreter) {
        let amsterdam = SpecId::is_enabled_in(interp.runtime_flag.spec_id(), SpecId::AMSTERDAM);
        let opcode = interp.bytecode.opcode();
        let gas = interp.gas.remaining();
        let text = &mut self.text;
        text.push_str(if self.steps == 0 { "{\"pc\":" } else { ",{\"pc\":" });
        push_number(text, interp.bytecode.pc() as u64);
        match OpCode::new(opcode) {
            Some(known) => {
                text.push_str(",\"op\":\"");
                text.push_str(known.as_str());
                text.push('"');
            }
            None => push(text, format_args!(",\"op\":\"opcode {opcode:#x} not defined\"")),
        }
        text.push_str(",\"gas\":");
        push_number(text, gas);
        text.push_str(",\"depth\":");
        push_number(text, self.depth);
        text.push_str(",\"refund\":");
        push_number(text, interp.gas.refunded() as u64);
        if amsterdam {
            text.push_str(",\"stateGasReservoir\":");
            push_number(text, interp.gas.reservoir());
        }
        let stack = interp.stack.data();
        if self.options.is_stack_enabled() {
            text.push_str(",\"stack\":[");
            for (place, item) in stack.iter().enumerate() {
                text.push_str(if place == 0 { "\"0x" } else { ",\"0x" });
                push_quantity(text, item);
                text.push('"');
            }
            text.push(']');
        }
        if self.options.is_memory_enabled() {
            push_memory(text, &interp.memory.slice(0..interp.memory.size()));
        }
        if self.options.is_return_data_enabled() {
            text.push_str(",\"returnData\":\"0x");
            text.push_str(&hex::encode(interp.return_data.buffer()));
            text.push('"');
        }
        let top = |below: usize| stack.len().checked_sub(below + 1).map(|place| stack[place]);
        let slot = match opcode {
            SLOAD => top(0).map(|slot| (slot, None)),
            SSTORE => top(0).zip(top(1)).map(|(slot, value)| (slot, Some(value))),
            _ => None,
        };
        let state_gas = amsterdam.then(|| interp.gas.state_gas_spent());
        self.open = Some(Open { opcode, gas, state_gas, slot });
        self.steps += 1;
    }

    /// Writes what a step has done.
    fn end(&mut self, open: Open, interp: &mut Interpreter) {
        let result = interp.bytecode.action().as_ref().and_then(|it| it.instruction_result());
        self.text.push_str(",\"gasCost\":");
        push_number(&mut self.text, open.gas.saturating_sub(interp.gas.remaining()));
        if let Some(before) = open.state_gas {
            let cost = interp.gas.state_gas_spent().saturating_sub(before);
            if cost != 0 {
                push(&mut self.text, format_args!(",\"stateGasCost\":{cost}"));
            }
        }
        if let Some(fault) = result.filter(|result| result.is_halt()) {
            let words = words_of(fault);
            push(&mut self.text, format_args!(",\"error\":\"{words}\""));
        }
        if matches!(open.opcode, SLOAD | SSTORE) && self.options.is_storage_enabled() {
            let slots = self.storage.entry(interp.input.target_address()).or_default();
            if let (None, Some((slot, written))) = (result, open.slot)
                && let Some(value) = written.or_else(|| interp.stack.data().last().copied())
            {
                slots.insert(slot, value);
            }
            push_storage(&mut self.text, slots);
        }
        self.text.push('}');
    }

    /// The trace of an execution that had this outcome.
    fn finish(mut self, outcome: &ResultAndState<HaltReason>, amsterdam: bool) -> StepTrace {
        self.text.push(']');
        let gas = outcome.result.gas();
        let of_amsterdam = |gas: u64| amsterdam.then_some(gas);
        StepTrace {
            failed: !outcome.result.is_success(),
            gas: gas.tx_gas_used(),
            execution_gas_used: of_amsterdam(gas.block_regular_gas_used()),
            state_gas_used: of_amsterdam(gas.block_state_gas_used()),
            gas_refund: of_amsterdam(gas.final_refunded()),
            return_value: outcome.result.output().cloned().unwrap_or_default(),
            struct_logs: json::written(self.text),
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for StepWriter<'_> {
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.guard.step(interp, context);
        if !self.guard.is_stopped() && self.steps < self.most {
            let before = self.text.len();
            self.begin(interp);
            self.guard.record(self.text.len() - before);
        }
    }

    fn step_end(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        if let Some(open) = self.open.take() {
            let before = self.text.len();
            self.end(open, interp);
            self.guard.record(self.text.len() - before);
        }
    }

    fn call(&mut self, _context: &mut CTX, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.depth += 1;
        None
    }

    fn call_end(&mut self, _: &mut CTX, _inputs: &CallInputs, _outcome: &mut CallOutcome) {
        self.depth -= 1;
    }

    fn create(&mut self, _context: &mut CTX, _inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.depth += 1;
        None
    }

    fn create_end(&mut self, _: &mut CTX, _inputs: &CreateInputs, _outcome: &mut CreateOutcome) {
        self.depth -= 1;
    }
}

/// Why a step failed, in geth's words where geth has such a failure.
fn words_of(fault: InstructionResult) -> String {
    use InstructionResult as Fault;
    let words = match fault {
        Fault::OutOfGas
        | Fault::MemoryOOG
        | Fault::MemoryLimitOOG
        | Fault::PrecompileOOG
        | Fault::InvalidOperandOOG
        | Fault::ReentrancySentryOOG => "out of gas",
        Fault::OpcodeNotFound | Fault::InvalidFEOpcode | Fault::NotActivated => "invalid opcode",
        Fault::CallNotAllowedInsideStatic | Fault::StateChangeDuringStaticCall => {
            "write protection"
        }
        Fault::InvalidJump => "invalid jump destination",
        Fault::StackUnderflow => "stack underflow",
        Fault::StackOverflow => "stack limit reached",
        Fault::OutOfOffset => "return data out of bounds",
        other => return format!("{other:?}"),
    };
    words.to_owned()
}

/// Appends what cannot fail to be written into a string.
fn push(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(words);
}

fn push_number(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Hex digits of a number, without zeros before it.
fn push_quantity(text: &mut String, number: &U256) {
    let mut digits = hex::Buffer::<32, false>::new();
    let digits = digits.format(&number.to_be_bytes::<32>());
    // The last digit stays, be it a zero.
    text.push_str(&digits[(number.leading_zeros() / 4).min(63)..]);
}

/// All 64 hex digits of a word.
fn push_word(text: &mut String, word: &[u8; 32]) {
    text.push_str(hex::Buffer::<32, false>::new().format(word));
}

fn push_memory(text: &mut String, memory: &[u8]) {
    text.push_str(",\"memory\":[");
    for (place, chunk) in memory.chunks(32).enumerate() {
        // The machine's memory grows by whole words.
        let mut word = [0; 32];
        word[..chunk.len()].copy_from_slice(chunk);
        text.push_str(if place == 0 { "\"0x" } else { ",\"0x" });
        push_word(text, &word);
        text.push('"');
    }
    text.push(']');
}

fn push_storage(text: &mut String, slots: &BTreeMap<U256, U256>) {
    text.push_str(",\"storage\":{");
    for (place, (slot, value)) in slots.iter().enumerate() {
        text.push_str(if place == 0 { "\"0x" } else { ",\"0x" });
        push_word(text, &slot.to_be_bytes());
        text.push_str("\":\"0x");
        push_word(text, &value.to_be_bytes());
        text.push('"');
    }
    text.push('}');
}
