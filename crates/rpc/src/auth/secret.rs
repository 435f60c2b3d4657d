//! The secret that tokens are signed with, and what is asked of a token (execution-apis,
//! `src/engine/authentication.md`).

use crate::RpcError;
use alloy_primitives::{B256, hex};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::Deserialize;
use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
};

/// How far a token's `iat` may be from this node's clock, in seconds.
const MAX_AGE: f64 = 60.0;

/// The secret of the authenticated port. It never shows itself.
#[derive(Clone)]
pub(crate) struct JwtSecret {
    key: DecodingKey,
    rules: Validation,
}

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSecret(..)")
    }
}

/// Why a token is refused, as a sentence for whoever sent it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(
        "this port needs a token: send the header \"Authorization: Bearer TOKEN\" with a JWT that \
         is signed with the secret of the node (--authrpc.jwtsecret)"
    )]
    Missing,
    #[error("the token is malformed: a JWT has three base64url parts and its payload is JSON")]
    Malformed,
    #[error("the token is not signed with HS256, the only algorithm that is accepted")]
    Algorithm,
    #[error(
        "the token is not signed with the secret of this node: both sides must use the same file \
         (--authrpc.jwtsecret)"
    )]
    Signature,
    #[error("the token has no claim iat, the time of its making in seconds since 1970")]
    NoTime,
    #[error(
        "the token is stale: its iat is {0} seconds away from this node's clock, but at most 60 \
         are allowed; make a token for each request and compare the clocks"
    )]
    Stale(u64),
    #[error("the token has expired, as its claim exp says")]
    Expired,
}

/// The claims that matter; others are ignored, as the specification demands.
#[derive(Deserialize)]
struct Claims {
    iat: Option<f64>,
}

impl JwtSecret {
    fn new(secret: &B256) -> Self {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.required_spec_claims.clear();
        rules.validate_aud = false;
        rules.leeway = 0;
        Self { key: DecodingKey::from_secret(secret.as_slice()), rules }
    }

    /// Reads the secret (32 bytes in hex) from `path`; where the file is absent, makes it with a
    /// random secret, readable by its owner alone (mode 0600).
    ///
    /// # Errors
    /// [`RpcError::Secret`] where the file cannot be read or made, or holds something else.
    pub(crate) fn from_file(path: &Path) -> Result<Self, RpcError> {
        let fail = |reason: String| RpcError::Secret { path: path.to_owned(), reason };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text =
                    create(path).map_err(|error| fail(format!("cannot be made: {error}")))?;
                tracing::info!(path = %path.display(), "made a secret for the authenticated port");
                text
            }
            Err(error) => {
                return Err(fail(format!(
                    "cannot be read: {error}; a file with 32 bytes in hex is expected"
                )));
            }
        };
        // The parser's own words would show what the file holds.
        let secret: B256 = text.trim().parse().map_err(|_| {
            fail("must hold 32 bytes in hex (64 digits, 0x may stand before) and no more".into())
        })?;
        Ok(Self::new(&secret))
    }

    /// Accepts the `token` (without `Bearer`) of a request at the time `now`, in seconds since
    /// 1970.
    pub(crate) fn verify(&self, token: &str, now: u64) -> Result<(), TokenError> {
        let token =
            decode::<Claims>(token, &self.key, &self.rules).map_err(|failure| {
                match failure.kind() {
                    ErrorKind::InvalidSignature => TokenError::Signature,
                    ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
                    ErrorKind::ExpiredSignature => TokenError::Expired,
                    _ => TokenError::Malformed,
                }
            })?;
        let made = token.claims.iat.ok_or(TokenError::NoTime)?;
        let apart = (now as f64 - made).abs();
        if apart > MAX_AGE {
            return Err(TokenError::Stale(apart.ceil() as u64));
        }
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<String> {
    let secret = B256::try_random().map_err(|reason| io::Error::other(reason.to_string()))?;
    let text = hex::encode_prefixed(secret);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: u64 = 1_700_000_000;

    fn bytes() -> B256 {
        B256::from(std::array::from_fn(|index| index as u8))
    }

    fn signed(algorithm: Algorithm, claims: &serde_json::Value) -> String {
        let key = EncodingKey::from_secret(bytes().as_slice());
        encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn verify(token: &str, now: u64) -> Result<(), TokenError> {
        JwtSecret::new(&bytes()).verify(token, now)
    }

    /// Signed by another program (Python's `hmac`): secret 00 01 .. 1f, iat 1700000000, and the
    /// claims id, clv and aud, which are ignored.
    const FOREIGN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
        eyJpYXQiOjE3MDAwMDAwMDAsImlkIjoiY2wiLCJjbHYiOiJ2MSIsImF1ZCI6IngifQ.\
        sfs9DhvKxoWaHsj-J172p4hhwcB3h0uMctiYyHTqGqU";

    #[test]
    fn a_token_of_another_program_is_accepted_for_a_minute_around_its_time() {
        for now in [NOW - 60, NOW, NOW + 60] {
            assert_eq!(verify(FOREIGN, now), Ok(()));
        }
        assert_eq!(verify(FOREIGN, NOW - 61), Err(TokenError::Stale(61)));
        assert_eq!(verify(FOREIGN, NOW + 61), Err(TokenError::Stale(61)));
        let other = JwtSecret::new(&B256::repeat_byte(7));
        assert_eq!(other.verify(FOREIGN, NOW), Err(TokenError::Signature));
    }

    #[test]
    fn what_is_wrong_with_a_token_is_told() {
        let unsigned = "eyJhbGciOiJub25lIn0.eyJpYXQiOjE3MDAwMDAwMDB9.";
        assert_eq!(verify(unsigned, NOW), Err(TokenError::Malformed));
        let stronger = signed(Algorithm::HS512, &json!({"iat": NOW}));
        assert_eq!(verify(&stronger, NOW), Err(TokenError::Algorithm));
        let timeless = signed(Algorithm::HS256, &json!({"id": "x"}));
        assert_eq!(verify(&timeless, NOW), Err(TokenError::NoTime));
        let worded = signed(Algorithm::HS256, &json!({"iat": "now"}));
        assert_eq!(verify(&worded, NOW), Err(TokenError::Malformed));
        let expired = signed(Algorithm::HS256, &json!({"iat": NOW, "exp": 1}));
        assert_eq!(verify(&expired, NOW), Err(TokenError::Expired));
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(at in 0..FOREIGN.len(), to in "[A-Za-z0-9_.-]") {
            let mut changed = FOREIGN.to_owned();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != FOREIGN);
            prop_assert!(verify(&changed, NOW).is_err());
        }

        #[test]
        fn garbage_is_refused(token in ".{0,200}") {
            prop_assert!(verify(&token, NOW).is_err());
        }

        #[test]
        fn only_the_last_minute_and_the_next_count(iat in NOW - 1000..NOW + 1000) {
            let token = signed(Algorithm::HS256, &json!({"iat": iat}));
            prop_assert_eq!(verify(&token, NOW).is_ok(), iat.abs_diff(NOW) <= 60);
        }
    }

    #[test]
    fn a_missing_file_is_made_once_and_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwt.hex");
        JwtSecret::from_file(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().parse::<B256>().unwrap().to_string(), text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        JwtSecret::from_file(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let second = dir.path().join("second.hex");
        JwtSecret::from_file(&second).unwrap();
        assert_ne!(fs::read_to_string(&second).unwrap(), text);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_told_without_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwt.hex");
        let nearly = "5ecre7".repeat(11);
        for content in ["", "0x", &nearly, &"ab".repeat(31), &"ab".repeat(33)] {
            fs::write(&path, content).unwrap();
            let message = JwtSecret::from_file(&path).unwrap_err().to_string();
            assert!(message.contains(path.to_str().unwrap()), "{message}");
            assert!(message.contains("32 bytes in hex"), "{message}");
            assert!(content.len() < 3 || !message.contains(content), "{message}");
        }
        let unreadable = JwtSecret::from_file(dir.path()).unwrap_err().to_string();
        assert!(unreadable.contains("cannot be read"), "{unreadable}");
        let nowhere = dir.path().join("no/such/jwt.hex");
        let message = JwtSecret::from_file(&nowhere).unwrap_err().to_string();
        assert!(message.contains("cannot be made"), "{message}");
        for content in ["ab".repeat(32), format!("0x{}\n", "ab".repeat(32))] {
            fs::write(&path, content).unwrap();
            let shown = format!("{:?}", JwtSecret::from_file(&path).unwrap());
            assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
        }
    }
}
