// What this program is: version, source revision, compiler. Written into every record and video.
#pragma once

#include <string>

namespace wan {

struct BuildInfo {
  std::string version;   // 0.1.0
  std::string revision;  // git commit of the sources, or "unknown"
  bool dirty = false;    // built from a tree with changes that are not committed
  std::string compiler;
  std::string build_type;
  std::string cuda;                // toolkit version, or empty
  std::string cuda_code;           // cards the CUDA backend was compiled for, as "80,90a"; "80-virtual" is PTX
  std::string cuda_code_left_out;  // of those asked for, what the toolkit did not know
};

const BuildInfo& build_info();

}  // namespace wan
