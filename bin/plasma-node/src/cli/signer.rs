//! Signs the transactions of the command line, and finds the key for that.

mod keystore;
mod prompt;
mod secret;

use super::rpc_client::RpcClient;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U64, U256, hex};
use clap::Args;
use eyre::{Result, bail, eyre};
use k256::ecdsa::SigningKey;
use keystore::Keystore;
use plasma_rpc::DevAccounts;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    io::IsTerminal,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The variable that a key is read from.
const KEY_VARIABLE: &str = "PLASMA_PRIVATE_KEY";

/// The variable that a keystore's password is read from.
const PASSWORD_VARIABLE: &str = "PLASMA_KEYSTORE_PASSWORD";

/// Which key signs: exactly one source may be given. Without any, the environment variable
/// PLASMA_PRIVATE_KEY is one, and a question on the terminal the last. A key is never an argument,
/// since others could see it in the process list.
#[derive(Debug, Args)]
pub(crate) struct SignerArgs {
    /// Sign with the key of this keystore file (Web3 Secret Storage, version 3). Its password
    /// comes from --password-file, else from the environment variable PLASMA_KEYSTORE_PASSWORD,
    /// else from a question on the terminal. Without any option of a key it is read from the
    /// environment variable PLASMA_PRIVATE_KEY, or asked for.
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
    /// The first line of this file is the keystore's password. Others must not be able to read it.
    #[arg(long, value_name = "FILE", requires = "keystore")]
    password_file: Option<PathBuf>,
    /// Ask for the private key on the terminal, without showing it.
    #[arg(long)]
    interactive: bool,
    /// Sign with this account of the test mnemonic (development chains only).
    #[arg(long, value_name = "INDEX")]
    dev_account: Option<usize>,
    /// Other tools have it, so it is known here, to say what to use instead.
    #[arg(long, hide = true, value_name = "KEY", value_parser = forget)]
    private_key: Option<()>,
}

/// A key with its address.
pub(crate) struct Signer {
    key: SigningKey,
    pub(crate) address: Address,
}

/// Where the key is.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
enum KeySource<'a> {
    Keystore(&'a Path),
    Variable(&'a str),
    Prompt,
    DevAccount(usize),
}

/// Drops what was given, so that it can stand in no message.
fn forget(_: &str) -> Result<(), Infallible> {
    Ok(())
}

impl SignerArgs {
    /// The key that the options, the environment or the user gives. May ask on the terminal: call
    /// it once.
    pub(crate) fn signer(&self) -> Result<Signer> {
        let variable = secret::variable(KEY_VARIABLE)?.filter(|key| !key.trim().is_empty());
        let key = match self
            .source(variable.as_deref().map(String::as_str), std::io::stdin().is_terminal())?
        {
            KeySource::Keystore(file) => self.unlock(file)?,
            KeySource::Variable(key) => signing_key(key, KEY_VARIABLE)?,
            KeySource::Prompt => {
                let key = prompt::ask("Private key (not shown): ").map_err(|failure| {
                    eyre!("the private key cannot be asked for: {failure}; give --keystore FILE or set {KEY_VARIABLE}")
                })?;
                signing_key(&key, "what was typed")?
            }
            KeySource::DevAccount(index) => {
                let accounts = DevAccounts::dev();
                let Some(account) = accounts.iter().nth(index) else {
                    bail!("the test mnemonic has no account {index} here");
                };
                signing_key(&account.secret_key().to_string(), "the development account")?
            }
        };
        let address = Address::from_private_key(&key);
        Ok(Signer { key, address })
    }

    /// The one source that is given; with several of them nothing is signed, since any choice
    /// could be the wrong account.
    fn source<'a>(&'a self, key: Option<&'a str>, has_terminal: bool) -> Result<KeySource<'a>> {
        if self.private_key.is_some() {
            bail!(
                "--private-key is refused, since other users can see arguments in the process list; \
                 give --keystore FILE or --interactive, or set {KEY_VARIABLE}"
            );
        }
        let variable = format!("the environment variable {KEY_VARIABLE}");
        let sources = [
            self.keystore.as_deref().map(|file| ("--keystore", KeySource::Keystore(file))),
            self.interactive.then_some(("--interactive", KeySource::Prompt)),
            self.dev_account.map(|index| ("--dev-account", KeySource::DevAccount(index))),
            key.map(|key| (variable.as_str(), KeySource::Variable(key))),
        ];
        let mut given = sources.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some((one, _)), Some((other, _))) => bail!(
                "{one} and {other} both say which key signs; leave one of them (an environment \
                 variable goes with: unset)"
            ),
            (Some((_, source)), None) => Ok(source),
            (None, _) if has_terminal => Ok(KeySource::Prompt),
            (None, _) => bail!(
                "no key to sign with: give --keystore FILE, set {KEY_VARIABLE}, or name a \
                 --dev-account (development chains)"
            ),
        }
    }

    fn unlock(&self, file: &Path) -> Result<SigningKey> {
        let shown = file.display();
        // A file that cannot be used is told of before anyone types a password.
        let keystore = Keystore::read(file)?;
        let password = match (&self.password_file, secret::variable(PASSWORD_VARIABLE)?) {
            (Some(password_file), _) => secret::first_line(password_file)?,
            (None, Some(password)) => password,
            (None, None) => {
                prompt::ask(&format!("Password of {shown} (not shown): ")).map_err(|failure| {
                    eyre!(
                        "the password of {shown} cannot be asked for: {failure}; give --password-file \
                         FILE or set {PASSWORD_VARIABLE}"
                    )
                })?
            }
        };
        keystore.unlock(password.as_bytes())
    }
}

/// Reads a key in hexadecimal. Errors name where it came from and nothing of what stood there.
fn signing_key(secret: &str, origin: &str) -> Result<SigningKey> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    hex::decode_to_slice(secret.trim(), bytes.as_mut_slice()).map_err(|_| {
        eyre!("{origin} is no private key: that is 64 hexadecimal digits, 0x may stand before")
    })?;
    SigningKey::from_slice(bytes.as_slice()).map_err(|_| {
        eyre!("{origin} is no private key: the number is zero or above the order of secp256k1")
    })
}

impl Signer {
    /// Estimates, signs and sends a call, and waits for its receipt.
    pub(crate) fn send(
        &self,
        rpc: &RpcClient,
        to: Address,
        value: U256,
        input: Bytes,
    ) -> Result<Value> {
        let chain_id: U64 = rpc.call("eth_chainId", json!([]))?;
        let nonce: U64 = rpc.call("eth_getTransactionCount", json!([self.address, "pending"]))?;
        let call = json!({ "from": self.address, "to": to, "value": value, "input": input });
        let gas: U64 = rpc.call("eth_estimateGas", json!([call]))?;
        let gas_price: U256 = rpc.call("eth_gasPrice", json!([]))?;
        let tip: U256 = rpc.call("eth_maxPriorityFeePerGas", json!([]))?;
        let transaction = TxEip1559 {
            chain_id: chain_id.to(),
            nonce: nonce.to(),
            gas_limit: gas.to::<u64>(),
            max_fee_per_gas: gas_price.saturating_to::<u128>() * 2,
            max_priority_fee_per_gas: tip.saturating_to(),
            to: TxKind::Call(to),
            value,
            access_list: AccessList::default(),
            input,
        };
        let (signature, recovery) =
            self.key.sign_prehash_recoverable(transaction.signature_hash().as_slice())?;
        let signature = Signature::from((signature, recovery));
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        let raw = hex::encode_prefixed(envelope.encoded_2718());
        let hash: String = rpc.call("eth_sendRawTransaction", json!([raw]))?;
        rpc.receipt(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SignerArgs,
    }

    const KEY: &str = "4646464646464646464646464646464646464646464646464646464646464646";

    fn args(options: &[&str]) -> SignerArgs {
        Line::try_parse_from([&["pause"], options].concat()).unwrap().args
    }

    #[test]
    fn the_one_source_that_is_given_counts() {
        let file = Path::new("wallet.json");
        for (options, variable, has_terminal, expected) in [
            (&["--keystore", "wallet.json"][..], None, false, KeySource::Keystore(file)),
            (&["--keystore", "wallet.json"], None, true, KeySource::Keystore(file)),
            (&["--interactive"], None, true, KeySource::Prompt),
            (&["--dev-account", "3"], None, true, KeySource::DevAccount(3)),
            (&[], Some(KEY), true, KeySource::Variable(KEY)),
            (&[], Some(KEY), false, KeySource::Variable(KEY)),
            (&[], None, true, KeySource::Prompt),
        ] {
            let args = args(options);
            assert_eq!(args.source(variable, has_terminal).unwrap(), expected, "{options:?}");
        }
    }

    #[test]
    fn several_sources_and_none_are_refused() {
        for (options, variable, parts) in [
            (&["--keystore", "a", "--dev-account", "0"][..], None, ["--keystore", "--dev-account"]),
            (&["--keystore", "a", "--interactive"], None, ["--keystore", "--interactive"]),
            (&["--interactive", "--dev-account", "0"], None, ["--interactive", "--dev-account"]),
            (&["--dev-account", "0"], Some(KEY), ["--dev-account", KEY_VARIABLE]),
            (&["--keystore", "a"], Some(KEY), ["--keystore", KEY_VARIABLE]),
            (&[], None, ["no key to sign with", "--keystore FILE"]),
        ] {
            let error = args(options).source(variable, false).unwrap_err().to_string();
            assert!(!error.contains(KEY), "{error}");
            assert!(parts.iter().all(|part| error.contains(part)), "{options:?}: {error}");
        }
        assert!(Line::try_parse_from(["pause", "--password-file", "a"]).is_err());
    }

    #[test]
    fn a_key_as_an_argument_is_refused_and_not_repeated() {
        let args = args(&["--private-key", KEY]);
        assert!(!format!("{args:?}").contains(KEY));
        let error = args.signer().err().unwrap().to_string();
        assert!(error.contains("--private-key is refused"), "{error}");
        assert!(!error.contains(KEY), "{error}");
    }

    #[test]
    fn keys_are_read_with_and_without_prefix() {
        let address = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F".parse::<Address>().unwrap();
        for text in [KEY.to_owned(), format!("0x{KEY}"), format!(" {KEY}\n")] {
            let key = signing_key(&text, "it").unwrap();
            assert_eq!(Address::from_private_key(&key), address);
        }
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        let with_letter = KEY.replacen("46", "4z", 1);
        for (text, part) in [
            (&KEY[2..], "64 hexadecimal digits"),
            (&with_letter, "64 hexadecimal digits"),
            ("", "64 hexadecimal digits"),
            (&"00".repeat(32), "is zero"),
            (&"ff".repeat(32), "above the order"),
        ] {
            let error = format!("{:#}", signing_key(text, "PLACE").unwrap_err());
            assert!(error.contains(part) && error.contains("PLACE"), "{error}");
            assert!(!error.contains("46") && !error.contains("4z"), "{error}");
        }
    }
}
