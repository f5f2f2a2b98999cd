/* What a shared library with a codec in it shows to LoadCodecModule (tideway/load_codec_module.h): a table of C functions. Plain C,
 * so that a module may be written in any language and built by any compiler: nothing of Tideway or of C++ crosses the border.
 *
 * The library exports one function, which returns the table; it and what it points to stay as they are until the process ends.
 *
 *   static const TidewayCodecModule kModule = {kTidewayCodecModuleVersion, 200, "mine", 0, 1, NULL, Create, ...};
 *   const TidewayCodecModule* tideway_codec_module(void) { return &kModule; }
 *
 * A codec is immutable. All functions may be called by several threads at once, throw nothing and keep no pointer. Those that
 * return an int return one of kTidewayCodec...; anything else but OK may write a sentence into `error`, which has
 * room for kTidewayCodecErrorBytes with the zero at the end.
 *
 * A whole module: examples/codec_module. */

#ifndef TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_CODEC_MODULE_H_
#define TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_CODEC_MODULE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  kTidewayCodecModuleVersion = 2, /* goes up when the table changes */
  kTidewayCodecErrorBytes = 256,

  kTidewayCodecOk = 0,
  kTidewayCodecInvalid = 1, /* what was given is wrong: a spec, bytes from a peer */
  kTidewayCodecFailed = 2   /* anything else, such as no memory */
};

typedef struct TidewayCodecModule {
  /* kTidewayCodecModuleVersion. Keeps its place for ever, so that a loader can refuse a table of another time. */
  uint32_t version;
  uint32_t wire_id; /* 128 to 255; permanent: it stands in messages and logs */
  const char* name; /* letters, digits, - and _ */
  int lossless;     /* 1: decoded = pushed, to the bit */
  int dense;        /* 1: every element is coded, so that pulls may use it */
  void* user;       /* handed to create */

  /* From `name:key=value,key=value`, or the name alone, which must give a codec that decodes what any other has made. Sets *codec. */
  int (*create)(void* user, const char* spec, void** codec, char* error);
  void (*destroy)(void* codec);

  /* The most bytes that encode writes for so many elements: at most 8 * elements + 1024. */
  size_t (*bound)(const void* codec, size_t elements);

  /* Encodes e = delta + residual_decay * residual, each operation rounded to float (no fused multiply-add), sets *written and
   * leaves residual = e - decoded; then decoded + residual is e to the bit. A null residual: e = delta, and what is lost is
   * lost. `out` has room for bound(elements). Every e is finite: the caller has looked. Where it fails, residual stays as it was. */
  int (*encode)(const void* codec, const float* delta, float* residual, size_t elements,
                float residual_decay, uint8_t* out, size_t* written, char* error);

  /* accumulator += scale * decoded. `in` comes from a peer and may be anything: kTidewayCodecInvalid unless it encodes exactly
   * `elements` finite values; reads and writes nothing out of bounds, and takes no memory that in_bytes and elements do not bound. */
  int (*decode_add)(const void* codec, const uint8_t* in, size_t in_bytes, float scale,
                    float* accumulator, size_t elements, char* error);
} TidewayCodecModule;

/* The type of the one exported function, `tideway_codec_module`. */
typedef const TidewayCodecModule* TidewayCodecModuleEntryPoint(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif  // TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_CODEC_MODULE_H_
