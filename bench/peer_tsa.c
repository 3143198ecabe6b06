/* The best that civetweb and OpenSSL's TS_RESP can do: a measure for bench/tsa_http.py.
 *
 * uts-server is these two libraries, a configuration file and a log. Where it is not built, this
 * stands in for it, without configuration and log: each thread has a TS_RESP_CTX of its own
 * (uts-server keeps a pool, with a lock for each), serial numbers are random, TCP_NODELAY is set,
 * connections are kept. It keeps no journal and no limits.
 *
 *     cc -O2 -o peer_tsa peer_tsa.c -lcivetweb -lcrypto -lpthread
 *     ./peer_tsa PORT THREADS tsa.key tsa.pem POLICY_OID
 */
#include <civetweb.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static EVP_PKEY *key;
static X509 *certificate;
static const char *policy;
static __thread TS_RESP_CTX *context;

static ASN1_INTEGER *serial(TS_RESP_CTX *ctx, void *unused)
{
    unsigned char octets[20];
    (void)ctx, (void)unused;
    RAND_bytes(octets, sizeof octets);
    octets[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(octets, sizeof octets, NULL);
    ASN1_INTEGER *made = BN_to_ASN1_INTEGER(number, NULL);
    BN_free(number);
    return made;
}

static TS_RESP_CTX *opened(void)
{
    TS_RESP_CTX *made = TS_RESP_CTX_new();
    TS_RESP_CTX_set_serial_cb(made, serial, NULL);
    TS_RESP_CTX_set_signer_cert(made, certificate);
    TS_RESP_CTX_set_signer_key(made, key);
    TS_RESP_CTX_set_signer_digest(made, EVP_sha256());
    TS_RESP_CTX_set_ess_cert_id_digest(made, EVP_sha256());
    TS_RESP_CTX_set_def_policy(made, OBJ_txt2obj(policy, 1));
    TS_RESP_CTX_add_md(made, EVP_sha256());
    TS_RESP_CTX_set_accuracy(made, 1, 0, 0);
    TS_RESP_CTX_set_clock_precision_digits(made, 3);
    return made;
}

static int stamp(struct mg_connection *connection, void *unused)
{
    (void)unused;
    char question[4096];
    long long size = mg_get_request_info(connection)->content_length;
    int got = size > 0 && size <= (long long)sizeof question
                  ? mg_read(connection, question, (size_t)size)
                  : 0;
    if (context == NULL)
        context = opened();
    BIO *asked = BIO_new_mem_buf(question, got);
    TS_RESP *response = TS_RESP_create_response(context, asked);
    unsigned char *octets = NULL;
    int length = i2d_TS_RESP(response, &octets);
    mg_printf(connection,
              "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n"
              "Content-Length: %d\r\nConnection: %s\r\n\r\n",
              length, mg_get_header(connection, "Connection") ? "close" : "keep-alive");
    mg_write(connection, octets, (size_t)length);
    OPENSSL_free(octets);
    TS_RESP_free(response);
    BIO_free(asked);
    return 200;
}

int main(int count, char **given)
{
    if (count != 6)
        return 2;
    FILE *file = fopen(given[3], "r");
    key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    file = fopen(given[4], "r");
    certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    policy = given[5];
    if (key == NULL || certificate == NULL)
        return 2;
    const char *options[] = {"listening_ports",   given[1], "num_threads",      given[2],
                             "enable_keep_alive", "yes",    "tcp_nodelay",      "1",
                             "keep_alive_timeout_ms", "5000", "request_timeout_ms", "10000",
                             NULL};
    struct mg_context *server = mg_start(NULL, NULL, options);
    if (server == NULL)
        return 1;
    mg_set_request_handler(server, "/", stamp, NULL);
    pause();
    return 0;
}
