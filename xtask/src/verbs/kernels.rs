//! `cargo xtask kernels`: README's table of kernels, from the last results and from nothing else.

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::vm::results;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Change nothing; fail unless README shows the results that are kept
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if !options.check {
        take_over(workspace)?;
    }
    let kept = results::load(&results::kept(workspace))?;
    let path = workspace.root.join("README.md");
    let before =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let after = results::insert(&before, &results::table(&kept))?;
    match (before == after, options.check) {
        (true, _) => println!("README.md shows the results on {} kernels", kept.len()),
        (false, true) => bail!(
            "README.md's table of kernels is not what the results give: run `cargo xtask kernels`"
        ),
        (false, false) => {
            std::fs::write(&path, after).with_context(|| format!("write {}", path.display()))?;
            println!("README.md: table of {} kernels written", kept.len());
        }
    }
    Ok(())
}

/// Of the commit that is checked out, and without failures: anything else is no claim to make.
fn take_over(workspace: &Workspace) -> Result<()> {
    let commit = results::commit(workspace)?;
    for fresh in results::load(&results::fresh(workspace))? {
        let kernel = format!("{} ({})", fresh.kernel, fresh.machine);
        if fresh.failed > 0 {
            bail!("{kernel}: {} tests failed in the last run", fresh.failed);
        }
        if fresh.passed == 0 {
            bail!("{kernel}: no test passed in the last run");
        }
        if fresh.commit != commit {
            bail!(
                "{kernel}: the last run tested {}, checked out is {commit}: run it again",
                fresh.commit
            );
        }
        fresh.store(&results::kept(workspace))?;
    }
    Ok(())
}
