// The machine a run happened on: what a reader needs to judge its numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "measure/gpu.h"
#include "results/record.h"

namespace wan::measure {

/// Host, processors, memory, limits of the cgroup, kernel, container or VM kind. GPUs are left out.
SystemInfo describe_machine();

/// One card for the record; PCIe generation and width from `now` where given, else absent.
GpuInfo describe_gpu(const GpuFacts& facts, const GpuReading* now);

/// File system type and device that hold `path`, for example "ext4 on /dev/vda"; empty when unknown.
std::string storage_of(const std::filesystem::path& path);

/// Free bytes on the file system of `folder`; absent when it cannot be asked.
std::optional<uint64_t> free_disk_bytes(const std::filesystem::path& folder);

}  // namespace wan::measure
