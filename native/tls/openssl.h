// The functions of OpenSSL that TLS is made with, found in the process: Node brings its own and exports it, so there is
// no second copy, and a Node without it runs everything but TLS.
// Thread: any. Life: the process.
#ifndef HORNET_TLS_OPENSSL_H_
#define HORNET_TLS_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string>

namespace hornet {

// What OpenSSL's headers offer as macros over these is written out where it is used: a macro would name the function
// itself, and a name that is nowhere keeps the whole addon from loading.
#define HORNET_OPENSSL_FUNCTIONS(Function) \
  Function(BIO_clear_flags)                \
  Function(BIO_free)                       \
  Function(BIO_get_data)                   \
  Function(BIO_meth_free)                  \
  Function(BIO_meth_new)                   \
  Function(BIO_meth_set_ctrl)              \
  Function(BIO_meth_set_read)              \
  Function(BIO_meth_set_write)             \
  Function(BIO_new)                        \
  Function(BIO_new_mem_buf)                \
  Function(BIO_set_data)                   \
  Function(BIO_set_flags)                  \
  Function(BIO_set_init)                   \
  Function(ERR_clear_error)                \
  Function(ERR_error_string_n)             \
  Function(ERR_peek_error)                 \
  Function(ERR_peek_last_error)            \
  Function(EVP_PKEY_free)                  \
  Function(PEM_read_bio_PrivateKey)        \
  Function(PEM_read_bio_X509)              \
  Function(SSL_CIPHER_get_name)            \
  Function(SSL_CIPHER_get_version)         \
  Function(SSL_CIPHER_standard_name)       \
  Function(SSL_CTX_add_client_CA)          \
  Function(SSL_CTX_callback_ctrl)          \
  Function(SSL_CTX_check_private_key)      \
  Function(SSL_CTX_ctrl)                   \
  Function(SSL_CTX_free)                   \
  Function(SSL_CTX_get_cert_store)         \
  Function(SSL_CTX_new)                    \
  Function(SSL_CTX_set_alpn_select_cb)     \
  Function(SSL_CTX_set_cipher_list)        \
  Function(SSL_CTX_set_ciphersuites)       \
  Function(SSL_CTX_set_options)            \
  Function(SSL_CTX_set_session_id_context) \
  Function(SSL_CTX_set_verify)             \
  Function(SSL_CTX_use_PrivateKey)         \
  Function(SSL_CTX_use_certificate)        \
  Function(SSL_free)                       \
  Function(SSL_get0_alpn_selected)         \
  Function(SSL_get1_peer_certificate)      \
  Function(SSL_get_current_cipher)         \
  Function(SSL_get_error)                  \
  Function(SSL_get_ex_data)                \
  Function(SSL_get_peer_cert_chain)        \
  Function(SSL_get_servername)             \
  Function(SSL_get_verify_result)          \
  Function(SSL_get_version)                \
  Function(SSL_is_init_finished)           \
  Function(SSL_new)                        \
  Function(SSL_read)                       \
  Function(SSL_session_reused)             \
  Function(SSL_set_SSL_CTX)                \
  Function(SSL_set_accept_state)           \
  Function(SSL_set_bio)                    \
  Function(SSL_set_ex_data)                \
  Function(SSL_shutdown)                   \
  Function(SSL_write)                      \
  Function(TLS_server_method)              \
  Function(X509_STORE_add_cert)            \
  Function(X509_free)                      \
  Function(i2d_X509)                       \
  Function(OPENSSL_sk_num)                 \
  Function(OPENSSL_sk_value)

struct OpenSsl {
#define HORNET_DECLARE(name) decltype(&::name) name;
  HORNET_OPENSSL_FUNCTIONS(HORNET_DECLARE)
#undef HORNET_DECLARE
};

// Null when the process lacks one of them; `missing` then has its name.
const OpenSsl* FindOpenSsl(std::string* missing);

}  // namespace hornet

#endif  // HORNET_TLS_OPENSSL_H_
