// Makes a rank fail on purpose, for tools/rank_failures.py. Private to pipeline/.
#pragma once

#include <cstdint>
#include <functional>

namespace wan {

/// What the environment variable WANBENCH_RANK_FAULT asks for, as LocalOptions::on_enter (comm/local.h); empty where it
/// is not set. "KIND,RANK,NUMBER": that rank, before its collective of that number from 1,
///   throw   throws an error;
///   sleep   stands still for ever;
///   leave   ends without an error;
///   exit    ends the process with code 9.
/// Throws Error(kUsage) for anything else.
std::function<void(int rank, uint64_t number, const char* name)> rank_fault();

}  // namespace wan
