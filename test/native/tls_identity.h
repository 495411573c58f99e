// Certificates for tests, with their keys: made when they are needed, and good for an hour.
#ifndef HORNET_TEST_NATIVE_TLS_IDENTITY_H_
#define HORNET_TEST_NATIVE_TLS_IDENTITY_H_

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace hornet {

struct Identity {
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
  std::string pem;
  std::string key_pem;

  Identity() = default;
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  ~Identity() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

inline std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(length));
  BIO_free(bio);
  return text;
}

inline std::string PemOf(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return TextOf(bio);
}

inline std::string KeyPemOf(EVP_PKEY* key, const char* passphrase = nullptr) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), nullptr, 0, nullptr,
                                const_cast<char*>(passphrase));
  return TextOf(bio);
}

// Signed by `issuer`, or by itself.
inline std::unique_ptr<Identity> MakeIdentity(const char* name, const Identity* issuer = nullptr) {
  auto made = std::make_unique<Identity>();
  made->key = EVP_EC_gen("P-256");
  made->certificate = X509_new();
  X509* certificate = made->certificate;
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer == nullptr ? 1 : 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, made->key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer == nullptr ? certificate : issuer->certificate));
  if (issuer == nullptr) {
    X509_EXTENSION* is_authority = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(certificate, is_authority, -1);
    X509_EXTENSION_free(is_authority);
  }
  X509_sign(certificate, issuer == nullptr ? made->key : issuer->key, EVP_sha256());
  made->pem = PemOf(certificate);
  made->key_pem = KeyPemOf(made->key);
  return made;
}

}  // namespace hornet

#endif  // HORNET_TEST_NATIVE_TLS_IDENTITY_H_
