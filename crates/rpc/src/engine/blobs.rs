//! `engine_getBlobs`: blobs of transactions that wait in the pool.

use super::version::Fork;
use crate::{
    api::{Api, heavy},
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_eips::{
    eip4844::{BlobAndProofV1, BlobAndProofV2, Bytes48},
    eip7594::{BlobTransactionSidecarVariant, CELLS_PER_EXT_BLOB},
};
use alloy_primitives::B256;
use jsonrpsee::RpcModule;

/// Most blobs that are answered at once, as the specification demands.
const MAX_BLOBS: usize = 128;

pub(super) fn register(module: &mut RpcModule<Api>) {
    heavy(module, "engine_getBlobsV1", 1, |api, arguments| {
        let hashes = hashes(&arguments)?;
        // Cell proofs took the place of blob proofs with Osaka (osaka.md).
        let fork = Fork::at(api, api.chain.head().header.timestamp);
        fork.within("engine_getBlobsV1", Fork::Paris, Fork::Prague)?;
        Ok(api.chain.pool().blobs(&hashes).into_iter().map(with_proof).collect::<Vec<_>>())
    });
    heavy(module, "engine_getBlobsV2", 1, |api, arguments| {
        // All or nothing.
        let found = with_cells(api, &arguments)?;
        Ok(found.into_iter().collect::<Option<Vec<_>>>())
    });
    heavy(module, "engine_getBlobsV3", 1, |api, arguments| with_cells(api, &arguments));
}

fn hashes(arguments: &Arguments<'_>) -> RpcResult<Vec<B256>> {
    let hashes: Vec<B256> = arguments.required(0)?;
    if hashes.len() > MAX_BLOBS {
        return Err(error::engine::too_large_request(format!(
            "{} blobs were asked for, and at most {MAX_BLOBS} are answered at once",
            hashes.len()
        )));
    }
    Ok(hashes)
}

type Found = Option<(std::sync::Arc<BlobTransactionSidecarVariant>, usize)>;

fn with_proof(found: Found) -> Option<BlobAndProofV1> {
    let (sidecar, place) = found?;
    let BlobTransactionSidecarVariant::Eip4844(sidecar) = &*sidecar else { return None };
    let blob = Box::new(*sidecar.blobs.get(place)?);
    Some(BlobAndProofV1 { blob, proof: *sidecar.proofs.get(place)? })
}

fn with_cells(api: &Api, arguments: &Arguments<'_>) -> RpcResult<Vec<Option<BlobAndProofV2>>> {
    let hashes = hashes(arguments)?;
    let found = api.chain.pool().blobs(&hashes).into_iter();
    Ok(found
        .map(|found| {
            let (sidecar, place) = found?;
            let BlobTransactionSidecarVariant::Eip7594(sidecar) = &*sidecar else { return None };
            let proofs: &[Bytes48] = sidecar
                .cell_proofs
                .get(place * CELLS_PER_EXT_BLOB..(place + 1) * CELLS_PER_EXT_BLOB)?;
            let blob = Box::new(*sidecar.blobs.get(place)?);
            Some(BlobAndProofV2 { blob, proofs: proofs.to_vec() })
        })
        .collect())
}
