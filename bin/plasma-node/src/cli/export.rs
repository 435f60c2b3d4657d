//! `export`: a stored chain as a file of RLP-encoded blocks.

use super::{blocks::offline, chain_file::ChainFile};
use alloy_rlp::Encodable;
use clap::Args;
use eyre::{Context as _, Result, bail, ensure};
use plasma_chain::{Chain, ChainConfig};
use plasma_node::DataDir;
use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// Arguments of `plasma-node export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Where the database lies.
    #[arg(long, env = "PLASMA_DATADIR", default_value = "plasma-data")]
    datadir: PathBuf,
    /// The file to write; it must not exist, unless with --resume.
    file: PathBuf,
    /// First block.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Last block [default: the head].
    #[arg(long)]
    to: Option<u64>,
    /// Go on where an export into this file stopped: what is there has to be the chain's blocks from the first one on.
    /// A block that was cut off is written again.
    #[arg(long)]
    resume: bool,
}

/// Writes blocks to a file.
pub(crate) fn export(args: &ExportArgs) -> Result<()> {
    let chain = offline(&DataDir::new(&args.datadir), ChainConfig::default(), None)?;
    let head = chain.head().number();
    let to = args.to.unwrap_or(head);
    if args.from > to || to > head {
        bail!("blocks {} to {to} cannot be exported: the chain has blocks 0 to {head}", args.from);
    }
    let (file, next) = if args.resume && args.file.exists() {
        resume(&chain, &args.file, args.from)?
    } else {
        let file = OpenOptions::new().write(true).create_new(true).open(&args.file);
        (file.with_context(|| format!("cannot create {}", args.file.display()))?, args.from)
    };
    let mut out = io::BufWriter::new(file);
    let mut buffer = Vec::new();
    for number in next..=to {
        let Some(block) = chain.block(number)? else { bail!("block {number} is missing") };
        buffer.clear();
        block.to_block().encode(&mut buffer);
        out.write_all(&buffer).with_context(|| format!("writing {}", args.file.display()))?;
    }
    out.into_inner()?.sync_all()?;
    let there = next - args.from;
    let before = if there > 0 { format!(", {there} of them there already") } else { String::new() };
    println!("{}: blocks {} to {to}{before}", args.file.display(), args.from);
    Ok(())
}

/// Opens the file of an earlier export behind its last whole block: the file and the next block.
fn resume(chain: &Chain, path: &Path, from: u64) -> Result<(File, u64)> {
    let name = path.display();
    let mut blocks = ChainFile::open(path)?;
    let mut next = from;
    loop {
        let block = match blocks.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => break,
            Err(error) if ends_inside_a_block(&error) => break,
            Err(error) => return Err(error),
        };
        let stored = chain.block(next)?;
        ensure!(
            stored.is_some_and(|stored| stored.to_block() == block),
            "{name} cannot be gone on with: it holds block {} {} where block {next} of this chain belongs; choose another \
             file",
            block.header.number,
            block.header.hash_slow()
        );
        next += 1;
    }
    let whole = blocks.offset();
    let mut file = OpenOptions::new()
        .write(true)
        .open(path)
        .with_context(|| format!("cannot write to {name}"))?;
    file.set_len(whole).with_context(|| format!("cannot cut {name} to its whole blocks"))?;
    file.seek(io::SeekFrom::End(0)).with_context(|| format!("cannot go to the end of {name}"))?;
    Ok((file, next))
}

fn ends_inside_a_block(error: &eyre::Report) -> bool {
    let source = error.downcast_ref::<io::Error>();
    source.is_some_and(|source| source.kind() == io::ErrorKind::UnexpectedEof)
}
