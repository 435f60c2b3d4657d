use super::*;
use alloy_primitives::address;
use serde_json::json;

const PASSWORD: &[u8] = b"testpassword";
const KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
const ADDRESS: Address = address!("0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b");

/// The definition's test vector of PBKDF2.
fn pbkdf2_vector() -> Value {
    json!({
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": {
                "c": 262_144, "dklen": 32, "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
            },
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3
    })
}

/// The definition's test vector of scrypt.
fn scrypt_vector() -> Value {
    json!({
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": "83dbcc02d8ccb40e466191a123791e0e" },
            "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": 32, "n": 262_144, "r": 1, "p": 8,
                "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
            },
            "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3
    })
}

fn parse(json: &Value) -> Result<Keystore> {
    Keystore::parse("wallet.json".into(), &json.to_string())
}

/// A vector with one of its fields changed.
fn with(mut json: Value, pointer: &str, value: Value) -> Value {
    *json.pointer_mut(pointer).unwrap() = value;
    json
}

#[test]
fn the_vectors_of_the_definition_open() {
    for vector in [pbkdf2_vector(), scrypt_vector()] {
        let key = parse(&vector).unwrap().unlock(PASSWORD).unwrap();
        assert_eq!(hex::encode(key.to_bytes()), KEY);
    }
}

#[test]
fn a_wrong_password_is_told_and_not_repeated() {
    for vector in [pbkdf2_vector(), scrypt_vector()] {
        let keystore = parse(&vector).unwrap();
        for password in ["testpassword ", "Testpassword", ""] {
            let error = format!("{:?}", keystore.unlock(password.as_bytes()).unwrap_err());
            assert!(
                error.contains("the password does not open the keystore wallet.json"),
                "{error}"
            );
            assert!(password.is_empty() || !error.contains(password), "{error}");
        }
    }
}

#[test]
fn the_address_must_be_that_of_the_key() {
    let mut vector = pbkdf2_vector();
    // Wallets write it with and without 0x, with and without a checksum, or not at all.
    for text in [hex::encode(ADDRESS), ADDRESS.to_string(), String::new()] {
        vector["address"] = json!(text);
        let key = parse(&vector).unwrap().unlock(PASSWORD).unwrap();
        assert_eq!(Address::from_private_key(&key), ADDRESS);
    }
    let other = Address::repeat_byte(0x11);
    vector["address"] = json!(other);
    let error = parse(&vector).unwrap().unlock(PASSWORD).unwrap_err().to_string();
    assert!(error.contains(&other.to_string()) && error.contains(&ADDRESS.to_string()), "{error}");
    vector["address"] = json!("nobody");
    assert!(parse(&vector).unwrap_err().to_string().contains("its address is none"));
}

#[test]
fn longer_derived_keys_have_the_same_beginning() {
    for vector in [pbkdf2_vector(), scrypt_vector()] {
        let vector = with(vector, "/crypto/kdfparams/dklen", json!(64));
        let key = parse(&vector).unwrap().unlock(PASSWORD).unwrap();
        assert_eq!(hex::encode(key.to_bytes()), KEY);
    }
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let text = scrypt_vector().to_string();
    for end in 0..text.len() {
        let error = Keystore::parse("wallet.json".into(), &text[..end]).unwrap_err().to_string();
        assert!(error.contains("wallet.json is no keystore: it ends too early"), "{end}: {error}");
    }
}

#[test]
fn a_plain_key_is_no_keystore_and_is_not_repeated() {
    for text in [KEY.to_owned(), format!("0x{KEY}"), format!("\"{KEY}\""), format!("[\"{KEY}\"]")] {
        let error = format!("{:?}", Keystore::parse("wallet.json".into(), &text).unwrap_err());
        assert!(error.contains("wallet.json is no keystore"), "{error}");
        assert!(!error.contains(&KEY[..6]), "{error}");
    }
}

#[test]
fn what_is_not_known_is_named() {
    let (scrypt, pbkdf2) = (scrypt_vector, pbkdf2_vector);
    for (keystore, part) in [
        (with(scrypt(), "/version", json!(1)), "has version 1, only 3"),
        (with(scrypt(), "/version", json!("3")), "version is missing, or no whole number"),
        (with(scrypt(), "/crypto/cipher", json!("aes-256-gcm")), "encrypted with \"aes-256-gcm\""),
        (with(scrypt(), "/crypto/kdf", json!("argon2id")), "derives its key with \"argon2id\""),
        (with(pbkdf2(), "/crypto/kdfparams/prf", json!("hmac-sha1")), "pbkdf2 with \"hmac-sha1\""),
    ] {
        let error = parse(&keystore).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("wallet.json"), "{error}");
    }
}

#[test]
fn parameters_that_cannot_be_are_refused_before_any_work() {
    let (scrypt, pbkdf2) = (scrypt_vector, pbkdf2_vector);
    for (keystore, part) in [
        (with(scrypt(), "/crypto/kdfparams/dklen", json!(16)), "dklen is below 32"),
        (with(scrypt(), "/crypto/kdfparams/n", json!(1_000)), "n is no power of two"),
        (with(scrypt(), "/crypto/kdfparams/n", json!(0)), "n is no power of two"),
        (with(scrypt(), "/crypto/kdfparams/n", json!(1_u64 << 40)), "too much work"),
        (with(scrypt(), "/crypto/kdfparams/n", json!(1_u64 << 63)), "too much work"),
        (with(scrypt(), "/crypto/kdfparams/r", json!(0)), "not possible for scrypt"),
        (with(scrypt(), "/crypto/kdfparams/p", json!(0)), "not possible for scrypt"),
        (with(scrypt(), "/crypto/kdfparams/p", json!(-1)), "p is missing, or no whole number"),
        (with(pbkdf2(), "/crypto/kdfparams/c", json!(0)), "asks for 0 rounds"),
        (with(pbkdf2(), "/crypto/kdfparams/c", json!(u64::MAX)), "rounds of pbkdf2"),
        (with(scrypt(), "/crypto/kdfparams/salt", json!("xy")), "salt is not hexadecimal"),
        (with(scrypt(), "/crypto/cipherparams/iv", json!("00")), "iv is not 16 bytes"),
        (with(scrypt(), "/crypto/ciphertext", json!("")), "ciphertext is not 32 bytes"),
        (with(scrypt(), "/crypto/mac", json!(null)), "crypto.mac is missing"),
        (with(scrypt(), "/crypto", json!("none")), "crypto.cipher is missing"),
    ] {
        let error = parse(&keystore).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("wallet.json"), "{error}");
    }
}
