// What `wanbench report` and `wanbench compare` make of records, in memory.
#pragma once

#include <vector>

#include "analysis/tables.h"
#include "report/beside.h"
#include "results/record.h"

namespace wan::fuzz {

struct Tables {
  std::vector<CardPeak> peaks;
  std::vector<CardPrice> prices;
};

/// Three runs of one case that count, sealed.
const std::vector<RunRecord>& good_records();

/// The record is written, read and written again: the same text both times. Returns what was read.
RunRecord written_and_read(const RunRecord& record);

/// Every file of a report of these records and the good ones, and every case compared with itself and with the good
/// one. Where a program would write JSON it is JSON.
void report_and_compare(std::vector<RunRecord> records, report::Beside beside = {}, const Tables& tables = {});

}  // namespace wan::fuzz
