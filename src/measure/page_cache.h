// The page cache and the weight files: filling it, emptying it, and looking how much of them it holds. No root needed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan::measure {

/// From this share of the files' pages on they count as hot, and up to one minus it as evicted.
inline constexpr double kHotShare = 0.99;

/// Reads every file once from its begin to its end. Throws Error(kInput) naming a file that cannot be read.
void read_through(const std::vector<std::filesystem::path>& files);

/// Asks the kernel to drop the files' pages (posix_fadvise DONTNEED, unwritten pages synced first). Pages that a
/// process maps stay, and so do those of file systems that live in memory: look at `share_resident` after it. Throws
/// Error(kInput) naming a file that cannot be opened.
void evict(const std::vector<std::filesystem::path>& files);

/// The share, 0 to 1, of the files' pages that lie in the page cache, by mincore. Absent for no files or empty ones
/// ("no_files"), and where the kernel hides it: since Linux 5.2 mincore calls all pages of a file resident unless the
/// caller owns it or may write it ("not_owned"). Throws Error(kInput) naming a file that cannot be mapped.
Measured<double> share_resident(const std::vector<std::filesystem::path>& files);

/// What a measured share may be called in a record.
PageCache page_cache_of(const Measured<double>& share);

}  // namespace wan::measure
