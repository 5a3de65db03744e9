use crate::{blueprint::Blueprint, checkpoint::Checkpoint, error::Error};
pub fn blueprint(_c: &Checkpoint) -> Result<Blueprint, Error> { todo!() }
