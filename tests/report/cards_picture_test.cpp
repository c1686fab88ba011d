// The picture by card: its numbers are the records', its bars sorted, its text no markup.
#include "report/cards_picture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "html_records.h"
#include "report/escape.h"
#include "report/format.h"
#include "results/json.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<CardPrice>& prices() {
  static const std::vector<CardPrice> kPrices{{"H100", 3.0, "USD", "2026-05", "s"},
                                              {"Slow", 1.0, "USD", "2026-06", "s"}};
  return kPrices;
}

/// The cold runs of "01_Speed", as they were and on a second card where every stage takes `scale` times as long.
std::vector<RunRecord> on_two_cards(double scale, const std::string& card) {
  std::vector<RunRecord> records;
  for (const RunRecord& record : report_records()) {
    if (record.workload.scope != RunScope::kCold || record.kernels || record.status != RunStatus::kOk) continue;
    records.push_back(record);
    RunRecord other = record;
    other.system.gpus[0].name = card;
    for (StageRecord& stage : other.stages) {
      const auto scaled = [&](int64_t ns) { return static_cast<int64_t>(static_cast<double>(ns) * scale); };
      stage.wall_ns = scaled(stage.wall_ns);
      stage.begin_ns = measured(scaled(*stage.begin_ns.value), "clock");
    }
    records.push_back(other);
  }
  for (RunRecord& record : records) seal(record);
  return records;
}

std::string picture_of(const std::vector<RunRecord>& records) {
  std::vector<const RunRecord*> pointers;
  for (const RunRecord& record : records) pointers.push_back(&record);
  return report::cards_picture(report_view(pointers, {}, prices()));
}

/// The texts of one class, in the order of the file.
std::vector<std::string> texts(const std::string& svg, const std::string& style) {
  const std::regex pattern("class=\"" + style + "\">([^<]*)</text>");
  std::vector<std::string> out;
  for (std::sregex_iterator match(svg.begin(), svg.end(), pattern), end; match != end; ++match)
    out.push_back((*match)[1]);
  return out;
}

/// What is wrong with `xml`: tags that do not close in order, an ampersand that names nothing; empty: well-formed as
/// far as this program writes it.
std::string fault_of(const std::string& xml) {
  static const std::regex kTag("<(/?)([a-zA-Z]+)((?: [a-zA-Z-]+=\"[^\"<&]*\")*)(/?)>");
  static const std::regex kText("(?:[^<>&]|&(?:amp|lt|gt|quot|#39);)*");
  std::vector<std::string> open;
  std::string::const_iterator at = xml.begin();
  for (std::sregex_iterator tag(xml.begin(), xml.end(), kTag), end; tag != end; ++tag) {
    if (!std::regex_match(at, (*tag)[0].first, kText)) return "between tags: " + std::string(at, (*tag)[0].first);
    at = (*tag)[0].second;
    const bool closes = (*tag)[1].length() > 0, is_empty = (*tag)[4].length() > 0;
    if (closes && (open.empty() || open.back() != (*tag)[2])) return "closes what is not open: " + tag->str();
    if (closes)
      open.pop_back();
    else if (!is_empty)
      open.push_back((*tag)[2]);
  }
  if (!std::regex_match(at, xml.end(), kText)) return "after the last tag: " + std::string(at, xml.end());
  return open.empty() ? "" : "not closed: " + open.back();
}

TEST(CardsPicture, NumbersAreTheRecordsAndLowerStandsFirst) {
  const std::vector<RunRecord> records = on_two_cards(2, "Slow Card");
  const ReportView view = [&] {
    std::vector<const RunRecord*> pointers;
    for (const RunRecord& record : records) pointers.push_back(&record);
    return report_view(pointers, {}, prices());
  }();
  const std::string svg = report::cards_picture(view);
  const Estimate& fast = *view.cases[0].summary.total_s.estimate;
  const Estimate& slow = *view.cases[1].summary.total_s.estimate;
  EXPECT_NEAR(slow.median, 2 * fast.median, 1e-6);
  // By seconds the fast card first; by cents the slow one, which costs a third an hour.
  EXPECT_THAT(texts(svg, "card"),
              ElementsAre("NVIDIA H100 80GB HBM3", "Slow Card", "Slow Card", "NVIDIA H100 80GB HBM3"));
  const auto seconds = [](const Estimate& e) {
    return fmt::format("{0} s [{1}, {2}], n = 3", report::seconds(e.median), report::seconds(e.interval->low),
                       report::seconds(e.interval->high));
  };
  const auto cents = [](const Estimate& e, double price) {
    const double rate = 100 * price / 3600;
    return fmt::format("{:.2f} [{:.2f}, {:.2f}], n = 3", e.median * rate, e.interval->low * rate,
                       e.interval->high * rate);
  };
  EXPECT_THAT(texts(svg, "value"), ElementsAre(seconds(fast), seconds(slow), cents(slow, 1), cents(fast, 3)));
  EXPECT_THAT(svg, HasSubstr("driver 580.1, 2026-01-01"));
  EXPECT_THAT(svg, HasSubstr("at 3 USD an hour, price of 2026-05"));
}

TEST(CardsPicture, ACardWithoutAPriceComesLastWithTheReason) {
  const std::string svg = picture_of(on_two_cards(0.5, "Unpriced"));
  EXPECT_THAT(texts(svg, "card"),
              ElementsAre("Unpriced", "NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3", "Unpriced"));
  EXPECT_THAT(svg, HasSubstr("class=\"value\">the card is not in the price table</text>"));
}

TEST(CardsPicture, IsWellFormedWhateverACardIsCalled) {
  for (const std::string& name :
       {std::string(kHostileText), std::string("\xFF\x01 \xEF\xBF\xBF]]>"), std::string(300, '&')}) {
    const std::string svg = picture_of(on_two_cards(2, name));
    EXPECT_EQ(fault_of(svg), "");
    EXPECT_THAT(svg, Not(HasSubstr("<img")));
    EXPECT_THAT(svg, Not(HasSubstr("<script")));
    EXPECT_THAT(svg, Not(HasSubstr("\xEF\xBF\xBF")));
  }
  EXPECT_NE(fault_of("<svg><text>a</svg></text>"), "") << "the checker can fail";
  EXPECT_NE(fault_of("<svg>a & b</svg>"), "");
}

TEST(CardsPicture, ThereIsNoneOfOneCardOrOfCardAndProgramAtOnce) {
  EXPECT_EQ(picture_of(report_records()), "");
  std::vector<RunRecord> records = report_records();
  records.push_back(imported_record());
  EXPECT_EQ(picture_of(records), "");
  records = on_two_cards(2, "Slow Card");
  for (RunRecord& record : records)
    if (record.system.gpus[0].name == "Slow Card") record.engine.name = "another program";
  EXPECT_EQ(picture_of(records), "");
}

TEST(CardsPicture, OtherWorkIsNoBarOfTheCase) {
  std::vector<RunRecord> records = on_two_cards(2, "Slow Card");
  for (RunRecord& record : records)
    if (record.system.gpus[0].name == "Slow Card") record.workload.steps = 9;
  for (RunRecord& record : records) seal(record);
  EXPECT_EQ(picture_of(records), "");
}

}  // namespace
}  // namespace wan
