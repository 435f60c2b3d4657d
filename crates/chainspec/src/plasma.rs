//! Plasma's own parameters: `config.plasma`.

use crate::{ChainSpecError, fields::Fields};
use alloy_primitives::Address;
use serde_json::Value;

/// Share of a block's gas that the keeper may use, in percent, where the file does not say.
pub const DEFAULT_KEEPER_GAS_SHARE_PERCENT: u64 = 50;

/// Names that `config.plasma` may hold, in the order of the documentation.
const KNOWN: [&str; 3] = ["registry", "keeperGasSharePercent", "premiumPpb"];

/// Parameters under `config.plasma` of the genesis file. Other clients ignore them; none of them
/// changes which blocks are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlasmaParams {
    /// `registry`: address of the keeper registry. `None`: this chain has no built-in keeper.
    pub registry: Option<Address>,
    /// `keeperGasSharePercent`: the part of a block's gas limit that performs may use, 0 to 100.
    pub keeper_gas_share_percent: u64,
    /// `premiumPpb`: what the registry adds to the gas cost of a perform, in parts per 10^9.
    pub premium_ppb: u32,
}

impl Default for PlasmaParams {
    fn default() -> Self {
        Self {
            registry: None,
            keeper_gas_share_percent: DEFAULT_KEEPER_GAS_SHARE_PERCENT,
            premium_ppb: 0,
        }
    }
}

impl PlasmaParams {
    /// Reads the value of `config.plasma`. A name that is not known is an error here, unlike
    /// elsewhere in the file: this object is Plasma's alone, so it can only be a slip.
    pub(crate) fn read(value: &Value) -> Result<Self, ChainSpecError> {
        let fields = Fields::new("config.plasma", value)?;
        let defaults = Self::default();
        let registry = fields.address("registry")?;
        let share =
            fields.u64("keeperGasSharePercent")?.unwrap_or(defaults.keeper_gas_share_percent);
        if share > 100 {
            return Err(ChainSpecError::field(
                fields.path_of("keeperGasSharePercent"),
                "a percentage from 0 to 100",
                share.to_string(),
            ));
        }
        let premium = fields.u64("premiumPpb")?.unwrap_or(u64::from(defaults.premium_ppb));
        let premium_ppb = u32::try_from(premium).map_err(|_| {
            ChainSpecError::field(
                fields.path_of("premiumPpb"),
                "parts per 10^9 from 0 to 2^32-1",
                premium.to_string(),
            )
        })?;
        if let Some((name, value)) = fields.unasked().first() {
            return Err(ChainSpecError::value(
                fields.path_of(name),
                format!("one of the fields {}", KNOWN.join(", ")),
                Some(value),
            ));
        }
        Ok(Self { registry, keeper_gas_share_percent: share, premium_ppb })
    }
}
