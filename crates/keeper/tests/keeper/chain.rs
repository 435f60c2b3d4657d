//! A chain in memory, just enough to run a keeper on it: one batch after another, no pool, no roots.

use alloy_primitives::{
    Address, B256, Bytes, Log, TxKind, U256, address, keccak256,
    map::{B256Map, HashMap, HashSet},
};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use plasma_chainspec::ChainSpec;
use plasma_evm::{
    BlockEnv, BlockState, EvmEnv, ExecutionResult, HaltReason, SpecId, TxEnv,
    revm::{DatabaseCommit, context::CfgEnv},
    simulate, tx_env,
};
use plasma_keeper::{
    BlockDecisions, EmittedLog, Keeper, KeeperConfig, KeeperError, LaneKeys, Outcome,
    PlannedPerform, RoundInput, RoundPlan, SealedBlock, UpkeepInfo,
};
use plasma_storage::{Account, AccountChange, Receipt, StateChanges, StateReader, StorageError};
use std::sync::{Arc, LazyLock};

pub const REGISTRY: Address = address!("0x506C61736D610000000000000000000000000001");
/// Owner of the registry, and everybody's purse.
pub const OWNER: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
pub const ADMIN: Address = address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
pub const SUBJECT: Address = address!("0x00000000000000000000000000000000005ab1ec");
pub const BASE_FEE: u64 = 1_000_000_000;
pub const ETHER: u128 = 1_000_000_000_000_000_000;

sol! {
    interface Registration {
        event UpkeepRegistered(uint256 indexed id, uint32 performGas, address admin);
        function registerUpkeep(address target, uint32 gasLimit, address admin, uint8 triggerType,
            bytes checkData, bytes triggerConfig, bytes offchainConfig) external returns (uint256 id);
        function addFunds(uint256 id, uint96 amount) external payable;
        function pauseUpkeep(uint256 id) external;
        function unpauseUpkeep(uint256 id) external;
        function cancelUpkeep(uint256 id) external;
        function setUpkeepGasLimit(uint256 id, uint32 gasLimit) external;
        function setUpkeepCheckData(uint256 id, bytes newCheckData) external;
        function setLane(address lane, bool active) external;
        function getMinBalance(uint256 id) external view returns (uint96);
        function getOwed(uint256 id) external view returns (uint256);
        function pause() external;
        function unpause() external;
    }
    interface Subject {
        function set(uint256 key, uint256 to) external;
        function checker(uint256 key) external view returns (bool needed, bytes call);
        function value(uint256 key) external view returns (uint256);
        function count(uint256 key) external view returns (uint256);
        function seenGas() external view returns (uint256);
        function seenSender() external view returns (address);
        function seenOrigin() external view returns (address);
        function seenLog() external view returns (bytes32);
        function shout(uint256 key, uint256 kind, uint256 word, uint256 times) external;
        event Happened(uint256 indexed key, uint256 indexed kind, uint256 word);
    }
}

/// The development chain's genesis with the test's target beside it.
#[derive(Debug, Default)]
struct Genesis {
    accounts: HashMap<Address, Account>,
    slots: HashMap<(Address, U256), U256>,
    codes: B256Map<Bytes>,
}

impl Genesis {
    fn put_code(&mut self, address: Address, code: Bytes) {
        let hash = keccak256(&code);
        self.codes.insert(hash, code);
        self.accounts.entry(address).or_default().bytecode_hash = Some(hash);
    }
}

impl StateReader for Genesis {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        Ok(self.accounts.get(&address).copied())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        Ok(self.slots.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        let holds = |((owner, slot), value): (&(Address, U256), &U256)| {
            *owner == address && !hidden.contains(slot) && !value.is_zero()
        };
        Ok(self.slots.iter().any(holds))
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        Ok(self.codes.get(&code_hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        Ok(Some(block_hash(number)))
    }
}

pub fn block_hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

pub static SPEC: LazyLock<ChainSpec> = LazyLock::new(|| {
    ChainSpec::from_json(include_str!("../../../../genesis/dev.json")).expect("a good genesis")
});

static GENESIS: LazyLock<Arc<Genesis>> = LazyLock::new(|| {
    let mut genesis = Genesis::default();
    for allocation in SPEC.genesis_alloc() {
        let account = genesis.accounts.entry(allocation.address).or_default();
        account.nonce = allocation.nonce;
        account.balance = allocation.balance;
        if let Some(code) = allocation.code {
            genesis.put_code(allocation.address, code.clone());
        }
        for (slot, value) in allocation.storage {
            genesis.slots.insert((allocation.address, slot), value);
        }
    }
    let subject: Bytes = include_str!("contracts/Subject.hex").trim().parse().unwrap();
    genesis.put_code(SUBJECT, subject);
    Arc::new(genesis)
});

/// A keeper's configuration for the development genesis.
pub fn config() -> KeeperConfig {
    KeeperConfig::new(REGISTRY, LaneKeys::dev())
}

/// The chain with an open block.
pub struct TestChain {
    pub state: BlockState,
    pub env: EvmEnv,
    pub time_ms: u64,
    /// Logs since the last round.
    pub logs: Vec<EmittedLog>,
    /// Logs of the open block.
    pub block_logs: Vec<EmittedLog>,
    /// Blocks that were sealed.
    pub sealed: Vec<SealedBlock>,
    transactions: u64,
    /// Changes since the last round, up to the last finished tick.
    pub changes: StateChanges,
    pub first_of_block: bool,
    pub gas_left: u64,
}

impl TestChain {
    /// Genesis with block 1 open.
    pub fn new() -> Self {
        let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
        cfg.chain_id = SPEC.chain_id();
        let block = BlockEnv {
            number: U256::from(1),
            timestamp: U256::from(1_000),
            gas_limit: 250_000_000,
            basefee: BASE_FEE,
            beneficiary: Address::repeat_byte(0xbe),
            prevrandao: Some(B256::repeat_byte(1)),
            ..BlockEnv::default()
        };
        Self {
            state: BlockState::new(GENESIS.clone()),
            env: EvmEnv::new(cfg, block),
            time_ms: 1_000_000,
            logs: Vec::new(),
            block_logs: Vec::new(),
            sealed: Vec::new(),
            transactions: 0,
            changes: StateChanges::default(),
            first_of_block: true,
            gas_left: 250_000_000,
        }
    }

    pub fn number(&self) -> u64 {
        self.env.block_env.number.to()
    }

    /// The open block, sealed.
    pub fn sealed_block(&self) -> SealedBlock {
        let number = self.number();
        SealedBlock {
            number,
            hash: block_hash(number),
            timestamp: self.env.block_env.timestamp.to(),
            logs: self.block_logs.clone(),
        }
    }

    /// A keeper that comes up after block `number` was sealed with `record`.
    pub fn restart(&self, config: KeeperConfig, record: &[u8]) -> Keeper {
        let mut keeper = self.load(config);
        let head = self.sealed.last().cloned().unwrap_or_default();
        let block = |number| Ok::<_, KeeperError>(self.sealed.get(number as usize - 1).cloned());
        keeper.restore_queue(record, &head, block).expect("a good record");
        keeper
    }

    /// Closes the open block and opens the next, `ms` milliseconds later.
    pub fn next_block(&mut self, ms: u64) {
        self.sealed.push(self.sealed_block());
        self.block_logs.clear();
        self.time_ms += ms;
        self.env.block_env.number += U256::from(1);
        self.env.block_env.timestamp = U256::from(self.time_ms / 1_000);
        self.first_of_block = true;
        self.gas_left = self.env.block_env.gas_limit;
    }

    fn execute(&mut self, tx: TxEnv, checked: bool) -> Result<ExecutionResult<HaltReason>, String> {
        let mut env = self.env.clone();
        env.cfg_env.disable_nonce_check = !checked;
        let executed = simulate(&self.state, env, tx).map_err(|error| error.to_string())?;
        self.state.commit(executed.state);
        self.transactions += 1;
        for log in executed.result.logs() {
            let emitted = EmittedLog {
                log: log.clone(),
                tx_hash: keccak256(self.transactions.to_be_bytes()),
                index: self.block_logs.len() as u32,
            };
            self.logs.push(emitted.clone());
            self.block_logs.push(emitted);
        }
        Ok(executed.result)
    }

    /// A user's transaction; must succeed.
    pub fn send(&mut self, from: Address, to: Address, value: u128, data: Vec<u8>) -> Vec<Log> {
        let tx = TxEnv {
            caller: from,
            kind: TxKind::Call(to),
            value: U256::from(value),
            data: data.into(),
            gas_limit: 3_000_000,
            gas_price: u128::from(self.env.block_env.basefee),
            chain_id: Some(SPEC.chain_id()),
            ..TxEnv::default()
        };
        let result = self.execute(tx, false).expect("a valid transaction");
        assert!(result.is_success(), "{result:?}");
        result.logs().to_vec()
    }

    /// A view call.
    pub fn call<C: SolCall>(&self, to: Address, call: C) -> C::Return {
        let mut env = self.env.clone();
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.disable_base_fee = true;
        let tx = TxEnv {
            caller: Address::repeat_byte(0xca),
            kind: TxKind::Call(to),
            data: call.abi_encode().into(),
            gas_limit: 10_000_000,
            chain_id: Some(SPEC.chain_id()),
            ..TxEnv::default()
        };
        let result = simulate(&self.state, env, tx).unwrap().result;
        C::abi_decode_returns(result.output().expect("output")).unwrap()
    }

    pub fn set(&mut self, key: u64, to: u64) {
        let call = Subject::setCall { key: U256::from(key), to: U256::from(to) };
        self.send(ADMIN, SUBJECT, 0, call.abi_encode());
    }

    /// Lets the subject emit `times` logs, with the words from `word` on.
    pub fn shout(&mut self, key: u64, word: u64, times: u64) -> Vec<Log> {
        let [key, word, times] = [key, word, times].map(U256::from);
        let call = Subject::shoutCall { key, kind: U256::ZERO, word, times };
        self.send(ADMIN, SUBJECT, 0, call.abi_encode())
    }

    pub fn value(&self, key: u64) -> u64 {
        self.call(SUBJECT, Subject::valueCall { key: U256::from(key) }).to()
    }

    pub fn count(&self, key: u64) -> u64 {
        self.call(SUBJECT, Subject::countCall { key: U256::from(key) }).to()
    }

    pub fn balance(&self, of: Address) -> U256 {
        self.state.account(of).unwrap().unwrap_or_default().balance
    }

    /// Registers an upkeep on the subject and funds it with `funds` wei.
    pub fn register(
        &mut self,
        trigger: Trigger,
        kind: u64,
        key: u64,
        gas: u32,
        funds: u128,
    ) -> U256 {
        let (trigger_type, config) = match trigger {
            Trigger::Condition => (0, Vec::new()),
            Trigger::Blocks(blocks) => (2, (blocks, 0u64).abi_encode_params()),
            Trigger::Milliseconds(ms) => (2, (0u64, ms).abi_encode_params()),
            Trigger::Cron(expression) => (3, (expression.to_owned(),).abi_encode_params()),
            Trigger::Resolver => {
                let call = Subject::checkerCall { key: U256::from(key) }.abi_encode();
                (4, (SUBJECT, Bytes::from(call)).abi_encode_params())
            }
            Trigger::Log { of, same_block } => {
                // The key is compared, the kind is not.
                let topic = Subject::Happened::SIGNATURE_HASH;
                let key = B256::from(U256::from(of));
                let config = (SUBJECT, U256::from(1), topic, key, B256::ZERO, B256::ZERO)
                    .abi_encode_params();
                (if same_block { 5 } else { 1 }, config)
            }
        };
        let call = Registration::registerUpkeepCall {
            target: SUBJECT,
            gasLimit: gas,
            admin: ADMIN,
            triggerType: trigger_type,
            checkData: check_data(kind, key),
            triggerConfig: config.into(),
            offchainConfig: Bytes::new(),
        };
        let logs = self.send(ADMIN, REGISTRY, 0, call.abi_encode());
        let registered = logs
            .iter()
            .find_map(|log| Registration::UpkeepRegistered::decode_log(log).ok())
            .expect("registered");
        if funds > 0 {
            self.fund(registered.id, funds);
        }
        registered.id
    }

    /// A funded conditional upkeep with 500,000 gas.
    pub fn conditional(&mut self, kind: u64, key: u64) -> U256 {
        self.register(Trigger::Condition, kind, key, 500_000, ETHER)
    }

    pub fn fund(&mut self, id: U256, amount: u128) {
        let call = Registration::addFundsCall { id, amount: amount.try_into().unwrap() };
        self.send(OWNER, REGISTRY, amount, call.abi_encode());
    }

    pub fn admin<C: SolCall>(&mut self, call: C) {
        self.send(ADMIN, REGISTRY, 0, call.abi_encode());
    }

    /// Gives an account this balance, in wei.
    pub fn set_balance(&mut self, address: Address, balance: U256) {
        let account = self.state.account(address).unwrap().unwrap_or_default();
        let account = Some(Account { balance, ..account });
        let mut patch = StateChanges::default();
        patch.accounts.insert(address, AccountChange { account, ..AccountChange::default() });
        self.state.apply(patch);
        self.state.end_tick();
    }

    pub fn owner<C: SolCall>(&mut self, call: C) {
        self.send(OWNER, REGISTRY, 0, call.abi_encode());
    }

    pub fn load(&self, config: KeeperConfig) -> Keeper {
        Keeper::load(config, &SPEC, &self.state, &self.env).expect("the keeper loads")
    }

    /// One round of `keeper` on what happened since the last, without executing its plan.
    pub fn plan(&mut self, keeper: &mut Keeper) -> RoundPlan {
        self.look(keeper, true)
    }

    /// The same, with or without performs.
    pub fn look(&mut self, keeper: &mut Keeper, may_perform: bool) -> RoundPlan {
        self.changes.merge((*self.state.end_tick()).clone());
        let input = RoundInput {
            state: &self.state,
            env: &self.env,
            time_ms: self.time_ms,
            new_logs: &self.logs,
            changes: Some(&self.changes),
            gas_left: self.gas_left,
            first_of_block: self.first_of_block,
            may_perform,
        };
        keeper.round(input).expect("a round")
    }

    /// Marks what happened so far as seen by the keepers.
    pub fn round_done(&mut self) {
        self.logs.clear();
        self.changes = StateChanges::default();
        self.first_of_block = false;
    }

    /// Executes performs as the block would.
    pub fn perform(
        &mut self,
        performs: &[PlannedPerform],
    ) -> Vec<(PlannedPerform, Option<Receipt>)> {
        let mut executed: Vec<(PlannedPerform, Option<Receipt>)> = Vec::new();
        for perform in performs {
            if let Some((last, receipt)) = executed.last()
                && last.transaction == perform.transaction
            {
                let receipt = receipt.clone();
                executed.push((perform.clone(), receipt));
                continue;
            }
            let tx = tx_env(&perform.transaction);
            let receipt = self.execute(tx, true).ok().map(|result| {
                self.gas_left = self.gas_left.saturating_sub(result.tx_gas_used());
                Receipt {
                    tx_type: perform.transaction.tx_type(),
                    success: result.is_success(),
                    cumulative_gas_used: result.tx_gas_used(),
                    logs: result.into_logs(),
                }
            });
            executed.push((perform.clone(), receipt));
        }
        executed
    }

    /// Rounds until nothing is planned, as the sequencer does after a batch. Returns all performs.
    pub fn rounds(&mut self, keeper: &mut Keeper) -> Vec<PlannedPerform> {
        let mut all = Vec::new();
        for round in 0..=keeper.max_rounds() {
            let plan = self.look(keeper, round < keeper.max_rounds());
            self.round_done();
            if plan.performs.is_empty() {
                break;
            }
            let executed = self.perform(&plan.performs);
            report(keeper, &executed);
            all.extend(plan.performs);
        }
        all
    }

    /// Rounds, then seals the block and opens the next, a second later.
    pub fn finish_block(&mut self, keeper: &mut Keeper) -> BlockDecisions {
        self.rounds(keeper);
        self.seal(keeper)
    }

    pub fn seal(&mut self, keeper: &mut Keeper) -> BlockDecisions {
        let number = self.number();
        let record = keeper.on_sealed(&self.sealed_block());
        self.next_block(1_000);
        let record = BlockDecisions::decode(&record).unwrap();
        assert_eq!(record.missed(), 0);
        assert_eq!(record.block, number);
        record
    }
}

/// Kinds of triggers that tests register.
#[derive(Clone, Copy, Debug)]
pub enum Trigger {
    Condition,
    Blocks(u64),
    Milliseconds(u64),
    Cron(&'static str),
    /// The subject's `checker` with the key, whatever the kind.
    Resolver,
    /// What the subject shouts with the key `of`.
    Log {
        of: u64,
        same_block: bool,
    },
}

pub fn check_data(kind: u64, key: u64) -> Bytes {
    (U256::from(kind), U256::from(key)).abi_encode_params().into()
}

/// Performs as they are read back from their transactions.
pub fn read_back(
    executed: &[(PlannedPerform, Option<Receipt>)],
) -> Vec<(PlannedPerform, Option<Receipt>)> {
    let shared = executed.chunk_by(|(one, _), (next, _)| one.transaction == next.transaction);
    let read = shared.flat_map(|same| {
        let (perform, receipt) = &same[0];
        let performs =
            PlannedPerform::from_transaction(&perform.transaction, REGISTRY, perform.block);
        assert_eq!(performs.len(), same.len());
        performs.into_iter().map(|perform| (perform, receipt.clone()))
    });
    read.collect()
}

pub fn report(keeper: &mut Keeper, executed: &[(PlannedPerform, Option<Receipt>)]) {
    let executed: Vec<_> =
        executed.iter().map(|(perform, receipt)| (perform.clone(), receipt.as_ref())).collect();
    keeper.on_executed(&executed);
}

/// The outcome of `id` in a record: `NotNeeded` where it is not listed.
pub fn outcome(record: &BlockDecisions, id: U256) -> Outcome {
    record
        .decisions
        .iter()
        .find(|decision| decision.upkeep == id)
        .map_or(Outcome::NotNeeded, |decision| decision.outcome.clone())
}

pub fn upkeep(keeper: &Keeper, id: U256) -> UpkeepInfo {
    keeper.upkeep(id).expect("a known upkeep")
}
