// Stands in for backend/cpu in a GPU-only build.
#include "backend/factories.h"
#include "base/error.h"

namespace wan {

std::unique_ptr<Backend> make_cpu_backend(int) {
  throw Error(ErrorKind::kUsage,
              "this build has no CPU backend (WAN_CPU=OFF): use --device cuda, or build with oneDNN");
}

}  // namespace wan
