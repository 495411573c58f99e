// The part of nghttp2 that is used, found in the process as OpenSSL is (tls/openssl.h): Node brings it, but no header
// of it. Declared after its documentation, for versions 1.52 and later; its binary interface only grows.
// Thread: any. Life: the process.
#ifndef HORNET_HTTP2_NGHTTP2_H_
#define HORNET_HTTP2_NGHTTP2_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

struct nghttp2_session;
struct nghttp2_session_callbacks;
struct nghttp2_option;

namespace hornet::nghttp2 {

// What every frame begins with (nghttp2_frame_hd); of the rest nothing is looked at.
struct Frame {
  size_t length;
  int32_t stream_id;
  uint8_t type;
  uint8_t flags;
  uint8_t reserved;
};
struct Field {  // nghttp2_nv
  uint8_t* name;
  uint8_t* value;
  size_t name_length;
  size_t value_length;
  uint8_t flags;
};
struct Setting {  // nghttp2_settings_entry
  int32_t id;
  uint32_t value;
};
union Source {
  int fd;
  void* ptr;
};
using ReadSource = ssize_t (*)(nghttp2_session*, int32_t stream_id, uint8_t* buffer, size_t length, uint32_t* flags,
                               Source*, void* user_data);
struct Provider {  // nghttp2_data_provider
  Source source;
  ReadSource read;
};

// RFC 9113 sections 6 and 7.
enum FrameType : uint8_t { kData = 0, kHeaders = 1 };
enum FrameFlag : uint8_t { kNoFlags = 0, kEndStream = 1 };
enum ErrorCode : uint32_t { kNoError = 0, kProtocolError = 1, kInternalError = 2, kRefusedStream = 7 };
enum SettingId : int32_t { kMaxConcurrentStreams = 3, kInitialWindowSize = 4, kMaxHeaderListSize = 6 };
enum DataFlag : uint32_t { kDataEof = 1, kDataNoEndStream = 2 };
constexpr int kDeferred = -508;

// Names, and what they take and give.
#define HORNET_NGHTTP2_FUNCTIONS(Function)                                                                           \
  Function(session_callbacks_new, int(nghttp2_session_callbacks**))                                                  \
  Function(session_callbacks_del, void(nghttp2_session_callbacks*))                                                  \
  Function(session_callbacks_set_on_begin_headers_callback,                                                          \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, const Frame*, void*)))                         \
  Function(session_callbacks_set_on_header_callback,                                                                 \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, const Frame*, const uint8_t* name, size_t,     \
                                                    const uint8_t* value, size_t, uint8_t flags, void*)))            \
  Function(session_callbacks_set_on_invalid_header_callback,                                                         \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, const Frame*, const uint8_t* name, size_t,     \
                                                    const uint8_t* value, size_t, uint8_t flags, void*)))            \
  Function(session_callbacks_set_on_frame_recv_callback,                                                             \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, const Frame*, void*)))                         \
  Function(session_callbacks_set_on_frame_send_callback,                                                             \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, const Frame*, void*)))                         \
  Function(session_callbacks_set_on_frame_not_send_callback,                                                         \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, const Frame*, int error, void*)))              \
  Function(session_callbacks_set_on_data_chunk_recv_callback,                                                        \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, uint8_t flags, int32_t stream_id,              \
                                                    const uint8_t* data, size_t, void*)))                            \
  Function(session_callbacks_set_on_stream_close_callback,                                                           \
           void(nghttp2_session_callbacks*, int (*)(nghttp2_session*, int32_t stream_id, uint32_t error, void*)))    \
  Function(option_new, int(nghttp2_option**))                                                                        \
  Function(option_del, void(nghttp2_option*))                                                                        \
  Function(option_set_no_auto_window_update, void(nghttp2_option*, int))                                             \
  Function(option_set_max_send_header_block_length, void(nghttp2_option*, size_t))                                   \
  Function(session_server_new2,                                                                                      \
           int(nghttp2_session**, const nghttp2_session_callbacks*, void* user_data, const nghttp2_option*))         \
  Function(session_del, void(nghttp2_session*))                                                                      \
  Function(session_mem_recv, ssize_t(nghttp2_session*, const uint8_t*, size_t))                                      \
  Function(session_mem_send, ssize_t(nghttp2_session*, const uint8_t**))                                             \
  Function(session_want_read, int(nghttp2_session*))                                                                 \
  Function(session_want_write, int(nghttp2_session*))                                                                \
  Function(session_resume_data, int(nghttp2_session*, int32_t))                                                      \
  Function(session_consume_stream, int(nghttp2_session*, int32_t, size_t))                                           \
  Function(session_consume_connection, int(nghttp2_session*, size_t))                                                \
  Function(session_set_local_window_size, int(nghttp2_session*, uint8_t flags, int32_t stream_id, int32_t size))     \
  Function(session_terminate_session, int(nghttp2_session*, uint32_t))                                               \
  Function(session_get_last_proc_stream_id, int32_t(nghttp2_session*))                                               \
  Function(submit_settings, int(nghttp2_session*, uint8_t flags, const Setting*, size_t))                            \
  Function(submit_response, int(nghttp2_session*, int32_t, const Field*, size_t, const Provider*))                   \
  Function(submit_headers, int32_t(nghttp2_session*, uint8_t flags, int32_t stream_id, const void* priority,         \
                                   const Field*, size_t, void*))                                                     \
  Function(submit_trailer, int(nghttp2_session*, int32_t, const Field*, size_t))                                     \
  Function(submit_rst_stream, int(nghttp2_session*, uint8_t flags, int32_t stream_id, uint32_t error))               \
  Function(submit_shutdown_notice, int(nghttp2_session*))                                                            \
  Function(submit_goaway, int(nghttp2_session*, uint8_t flags, int32_t last_stream_id, uint32_t error,               \
                              const uint8_t* debug, size_t))

template <class Signature>
using Pointer = Signature*;

struct Library {
#define HORNET_DECLARE(name, ...) Pointer<__VA_ARGS__> name;
  HORNET_NGHTTP2_FUNCTIONS(HORNET_DECLARE)
#undef HORNET_DECLARE
};

// Null when the process lacks one of them.
const Library* Find();

}  // namespace hornet::nghttp2

#endif  // HORNET_HTTP2_NGHTTP2_H_
