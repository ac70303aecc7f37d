// SPDX-License-Identifier: MIT
#pragma once
#include "io/tls_keys.h"

/// How TlsStream::compact() gets at the keys of OpenSSL's connection, by its public interface.
namespace sb::io {

/// Makes the connections of `ctx` write into the TlsTraffic that is their app data what cannot be asked for later: the
/// traffic secrets of TLS 1.3 and how many records were sent with them.
void note_traffic(ssl_ctx_st* ctx);

/// Fills in the rest after the handshake. False when TlsRecords cannot go on with this connection.
bool complete_traffic(ssl_st* ssl, TlsTraffic& traffic);

}  // namespace sb::io
