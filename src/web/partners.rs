//! The partners' doors: bytes in, whatever they are; the core stores them first.

use std::sync::Arc;

use axum::extract::{Path, Request, State};

use super::Doors;
use super::access::Right;
use super::answer::{self, Answer};
use super::clinic::media_type;
use super::guard::Caller;
use crate::ids::PartnerId;

/// `POST /in/{partner}`.
pub(super) async fn receive(
    State(doors): State<Arc<Doors>>,
    caller: Caller,
    Path(partner): Path<String>,
    request: Request,
) -> Result<Answer, Answer> {
    let partner = PartnerId::new(&partner);
    caller.needs(&[Right::Inbound(partner.clone())])?;
    let media_type = media_type(&request);
    let body = doors.body(request).await?;
    let reply = doors
        .inbound
        .receive(&caller.tenant, &partner, &media_type, &body)
        .await
        .map_err(|e| super::health::store_said(&e))?;
    Ok(match reply {
        Some(reply) => answer::bytes(reply.status, &reply.media_type, reply.body),
        None => answer::nothing_here(),
    })
}
