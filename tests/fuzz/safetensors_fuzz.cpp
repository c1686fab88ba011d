// Fuzzes TensorFile::open; its corpus is made of safetensors files.
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  wan::fuzz::open_and_read(wan::fuzz::as_file(data, size));
  return 0;
}
