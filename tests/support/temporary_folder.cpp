#include "temporary_folder.h"

#include <errno.h>  // program_invocation_short_name
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"

namespace wan::test {

TemporaryFolder::TemporaryFolder() {
  const std::string name =
      std::string("wanbench-") + program_invocation_short_name + "-" + std::to_string(::getpid()) + "-XXXXXX";
  std::string pattern = (std::filesystem::temp_directory_path() / name).string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw Error("no temporary folder " + pattern +
                ": is the folder there, writable and not full? TMPDIR names another");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace wan::test
