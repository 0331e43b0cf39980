/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and keys from PEM files; every error is a sentence that names
 * the file and the mend.
 */
#include "ktls/ktls_cert.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ktls/ktls_error.h"

#define FILE_MAX  (1024 * 1024)
#define CHAIN_MAX 16

struct pem_file {
	const char *path;
	unsigned char *data; /* owned; wiped: it may be a key */
	size_t len;
};

static void pem_file_free(struct pem_file *file)
{
	if (file->data)
		OPENSSL_clear_free(file->data, FILE_MAX);
	file->data = NULL;
}

static int open_error(const char *path, int err, const char *what,
		      struct ktls_error *error)
{
	const char *mend = "check the path and the folder it is in";

	if (err == ENOENT)
		mend = "give the path of a PEM file that exists";
	else if (err == EACCES || err == EPERM)
		mend = "let the user that runs this program read it";
	return ktls_error_set(error, -err, "%s: cannot open the %s: %s; %s",
			      path, what, strerror(err), mend);
}

static int read_all(int fd, struct pem_file *file)
{
	for (;;) {
		ssize_t n =
			read(fd, file->data + file->len, FILE_MAX - file->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		file->len += (size_t)n;
		if (file->len == FILE_MAX)
			return -EFBIG;
	}
}

static int pem_file_read(struct pem_file *file, const char *path,
			 const char *what, struct ktls_error *error)
{
	int fd, err;

	memset(file, 0, sizeof(*file));
	file->path = path;
	if (!path || !*path)
		return ktls_error_set(error, -EINVAL,
				      "no file named for the %s; give the path "
				      "of a PEM file",
				      what);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return open_error(path, errno, what, error);
	file->data = OPENSSL_zalloc(FILE_MAX);
	err = file->data ? read_all(fd, file) : -ENOMEM;
	close(fd);
	if (!err)
		return 0;
	pem_file_free(file);
	return ktls_error_set(error, err, "%s: cannot read the %s: %s", path,
			      what, strerror(-err));
}

static bool contains(const struct pem_file *file, const char *text)
{
	return memmem(file->data, file->len, text, strlen(text)) != NULL;
}

/* Why there is no certificate (or key) in the file, as helpfully as we can. */
static int not_pem(const struct pem_file *file, const char *what, bool key,
		   struct ktls_error *error)
{
	const char *path = file->path;
	char buf[160];

	if (!file->len)
		return ktls_error_set(error, -EINVAL,
				      "%s: the file is empty; "
				      "write the %s in PEM form into it",
				      path, what);
	if (file->data[0] == 0x30)
		return ktls_error_set(
			error, -EINVAL,
			"%s: this is DER, not PEM; convert it with 'openssl %s "
			"-inform DER -in %s -out FILE.pem'",
			path, key ? "pkey" : "x509", path);
	if (key && contains(file, "ENCRYPTED"))
		return ktls_error_set(
			error, -EINVAL,
			"%s: the key is locked with a passphrase, which nobody "
			"can type at start; unlock it with 'openssl pkey -in "
			"%s -out FILE.pem'",
			path, path);
	if (key && contains(file, "-----BEGIN CERTIFICATE-----"))
		return ktls_error_set(error, -EINVAL,
				      "%s: holds a certificate and no private "
				      "key; give the key's file here",
				      path);
	if (!key && contains(file, "PRIVATE KEY-----"))
		return ktls_error_set(
			error, -EINVAL,
			"%s: holds a private key and no "
			"certificate; give the certificate's file "
			"here",
			path);
	if (!contains(file, "-----BEGIN "))
		return ktls_error_set(error, -EINVAL,
				      "%s: no %s in it (a PEM file has a line "
				      "'-----BEGIN %s-----'); give a PEM file",
				      path, what,
				      key ? "PRIVATE KEY" : "CERTIFICATE");
	return ktls_error_set(error, -EINVAL,
			      "%s: the %s cannot be read (%s); make the file "
			      "anew",
			      path, what, ktls_error_openssl(buf, sizeof(buf)));
}

/* PEM_read_bio_*() without this would ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	return 0;
}

/* The end of the file shows as "no start line"; all else is a broken PEM. */
static bool at_end_of_pem(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM &&
	       ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int read_intermediates(BIO *bio, const struct pem_file *file,
			      STACK_OF(X509) * chain, struct ktls_error *error)
{
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		if (sk_X509_num(chain) < CHAIN_MAX &&
		    sk_X509_push(chain, cert) > 0)
			continue;
		X509_free(cert);
		return ktls_error_set(
			error, -EINVAL,
			"%s: more than %d certificates; leave the "
			"chain of this server alone in it",
			file->path, CHAIN_MAX + 1);
	}
	if (!at_end_of_pem())
		return not_pem(file, "certificate chain", false, error);
	return 0;
}

static int load_chain(const struct pem_file *file, struct ktls_cert *out,
		      struct ktls_error *error)
{
	BIO *bio = BIO_new_mem_buf(file->data, (int)file->len);
	int err = 0;

	out->chain = sk_X509_new_null();
	if (!bio || !out->chain) {
		BIO_free(bio);
		return ktls_error_set(error, -ENOMEM, "out of memory");
	}
	out->leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
	if (!out->leaf)
		err = not_pem(file, "certificate", false, error);
	else
		err = read_intermediates(bio, file, out->chain, error);
	BIO_free(bio);
	ERR_clear_error();
	return err;
}

static int load_key(const struct pem_file *file, struct ktls_cert *out,
		    struct ktls_error *error)
{
	BIO *bio = BIO_new_mem_buf(file->data, (int)file->len);
	int err = 0;

	if (bio)
		out->key =
			PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (!out->key)
		err = not_pem(file, "private key", true, error);
	BIO_free(bio);
	ERR_clear_error();
	return err;
}

static void time_text(const ASN1_TIME *when, char *buf, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n = 0;

	if (bio && ASN1_TIME_print(bio, when))
		n = BIO_read(bio, buf, (int)size - 1);
	buf[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
}

static int check_time(const struct ktls_cert *cert, const char *path,
		      struct ktls_error *error)
{
	const ASN1_TIME *from = X509_get0_notBefore(cert->leaf);
	const ASN1_TIME *until = X509_get0_notAfter(cert->leaf);
	char text[64];

	if (X509_cmp_current_time(until) < 0) {
		time_text(until, text, sizeof(text));
		return ktls_error_set(
			error, -EINVAL,
			"%s: the certificate expired on %s; renew "
			"it",
			path, text);
	}
	if (X509_cmp_current_time(from) > 0) {
		time_text(from, text, sizeof(text));
		return ktls_error_set(error, -EINVAL,
				      "%s: the certificate is not valid before "
				      "%s; check this machine's clock",
				      path, text);
	}
	return 0;
}

static int check_pair(const struct ktls_cert *cert,
		      const struct ktls_cert_files *files,
		      struct ktls_error *error)
{
	int ok = X509_check_private_key(cert->leaf, cert->key);

	ERR_clear_error();
	if (ok == 1)
		return 0;
	return ktls_error_set(error, -EINVAL,
			      "%s: this key does not belong to the first "
			      "certificate in %s; give the key it was made "
			      "with, and put the server's own certificate "
			      "first",
			      files->key, files->certificate);
}

static int load_both(const struct ktls_cert_files *files, struct ktls_cert *out,
		     struct ktls_error *error)
{
	struct pem_file file;
	int err;

	err = pem_file_read(&file, files->certificate, "certificate", error);
	if (err)
		return err;
	err = load_chain(&file, out, error);
	pem_file_free(&file);
	if (err)
		return err;
	err = pem_file_read(&file, files->key, "private key", error);
	if (err)
		return err;
	err = load_key(&file, out, error);
	pem_file_free(&file);
	return err;
}

int ktls_cert_load(const struct ktls_cert_files *files, struct ktls_cert *out,
		   struct ktls_error *error)
{
	int err;

	memset(out, 0, sizeof(*out));
	ERR_clear_error();
	err = load_both(files, out, error);
	if (!err)
		err = check_pair(out, files, error);
	if (!err)
		err = check_time(out, files->certificate, error);
	if (err)
		ktls_cert_free(out);
	return err;
}

void ktls_cert_free(struct ktls_cert *cert)
{
	X509_free(cert->leaf);
	sk_X509_pop_free(cert->chain, X509_free);
	EVP_PKEY_free(cert->key);
	memset(cert, 0, sizeof(*cert));
}

bool ktls_cert_names(const struct ktls_cert *cert, const char *host)
{
	assert(cert->leaf);
	return X509_check_host(cert->leaf, host, 0,
			       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}
