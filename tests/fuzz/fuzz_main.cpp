// libFuzzer's entry to one target, which the build names.
#include "base/error.h"
#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    wan::fuzz::WAN_FUZZ_TARGET({data, size});
  } catch (const wan::Error&) {
  }
  return 0;
}
