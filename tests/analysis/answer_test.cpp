// The answer a buyer gets: which chart comes first, what its bars hold, and that its words are plain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

#include "analysis/answer.h"
#include "analysis/plain_words.h"
#include "base/file.h"
#include "results/enum_names.h"
#include "runs.h"

namespace wan {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

struct Kind {
  std::string name = "case", card = "NVIDIA H100 80GB HBM3", program = "wanbench";
  double step_s = 2, host_s = 0;  // of each of three steps; beside what every synthetic run has
  RunScope scope = RunScope::kCold;
};

RunRecord run_of(const Kind& kind, int64_t repeat = 0) {
  const double noise = 1 + 1e-4 * static_cast<double>(repeat);
  RunRecord run = synthetic_run({kind.step_s * noise, kind.step_s * noise, kind.step_s * noise}, kind.host_s, repeat);
  run.created_utc = fmt::format("2026-02-03T00:00:0{}.000Z", repeat);
  run.run_case.name = kind.name;
  run.engine.name = kind.program;
  run.workload.scope = kind.scope;
  run.workload.width = 1280;
  run.workload.height = 704;
  run.workload.num_frames = 121;
  run.system.gpus[0].name = kind.card;
  run.system.gpus[0].driver = "580.1";
  seal(run);
  return run;
}

RunRecord failed(const Kind& kind, RunStatus status) {
  RunRecord run = run_of(kind);
  run.status = status;
  run.stages.clear();
  run.error = ErrorFacts{};
  seal(run);
  return run;
}

void flag(RunRecord& run, const std::string& name) {
  run.validity.push_back({name, "by so much", "", true});
  seal(run);
}

CardPeak peak_of(const std::string& words) {
  CardPeak peak;
  peak.match = words;
  return peak;
}

/// Of these records, with prices of two cards; the view lives as long.
class Asked {
 public:
  explicit Asked(std::vector<RunRecord> records) : records_(std::move(records)) {
    view_ = report_view(pointers_to(records_), kPeaks, kPrices);
    answer_ = answer_of(view_);
  }
  const Answer& operator*() const { return answer_; }
  const Answer* operator->() const { return &answer_; }
  const AnswerChart& first() const { return answer_.charts.at(0); }

 private:
  static inline const std::vector<CardPeak> kPeaks = {peak_of("H200"), peak_of("H100"), peak_of("L40S")};
  static inline const std::vector<CardPrice> kPrices = {{"H200", 4.0, "USD", "2026-01-01", "a list"},
                                                        {"H100", 3.0, "USD", "2026-01-01", "a list"}};
  std::vector<RunRecord> records_;
  ReportView view_;
  Answer answer_;
};

std::vector<RunRecord> repeated(const Kind& kind, int64_t times) {
  std::vector<RunRecord> out;
  for (int64_t i = 0; i < times; ++i) out.push_back(run_of(kind, i));
  return out;
}

std::vector<RunRecord> together(std::initializer_list<std::vector<RunRecord>> lists) {
  std::vector<RunRecord> out;
  for (const auto& list : lists) out.insert(out.end(), list.begin(), list.end());
  return out;
}

std::vector<std::string> labels(const AnswerChart& chart) {
  std::vector<std::string> out;
  for (const AnswerBar& bar : chart.bars) out.push_back(bar.label);
  return out;
}

const Kind kH100{}, kH200{.card = "NVIDIA H200"};

TEST(Answer, TwoCardsOfOneCaseAreTheFirstChartAndTheHostIsASecondLine) {
  Kind slow_host = kH200;
  slow_host.host_s = 4;
  const Asked asked(together({repeated(kH100, 5), repeated(slow_host, 5)}));
  ASSERT_EQ(asked.first().of, ChartOf::kCards);
  EXPECT_EQ(labels(asked.first()), (std::vector<std::string>{"H100", "H200"}));
  // 3 x 2 s of steps, 1 s of text encoding and 4 s of decoding on the card; 11 s and 15 s on the host.
  EXPECT_EQ(asked->sentence,
            "For this video (case, 1280x704, 121 frames, 3 steps) the H100 and the H200 are equally fast on the card "
            "(1.00x, 5 runs each); the H100 is cheaper at rental prices: 0.018 USD against 0.029.");
  EXPECT_EQ(asked->rest,
            "The rest of the time is the host's: 11.0 s with the H100, 15.0 s with the H200. That says nothing about "
            "the cards, but is in the prices.");
  EXPECT_THAT(asked.first().verdict, EndsWith("(1.00x, 5 runs each)"));
  const AnswerBar& bar = asked.first().bars[1];
  EXPECT_NEAR(bar.seconds.median(), 26, 0.01);
  EXPECT_NEAR(bar.gpu_s.median(), 11, 0.01);
  EXPECT_NEAR(bar.money.median(), 26.0 / 3600 * 4, 1e-4);
  EXPECT_EQ(bar.date, "2026-02-03");
  EXPECT_EQ(bar.driver, "580.1");
  EXPECT_FALSE(bar.energy_wh.has());
  EXPECT_FALSE(bar.energy_wh.reason.empty());
}

TEST(Answer, AFasterCardIsSaidToBeFasterByItsOwnPart) {
  Kind fast = kH200;
  fast.step_s = 1;
  fast.host_s = 9;  // slower as a whole
  const Asked asked(together({repeated(kH100, 4), repeated(fast, 5)}));
  EXPECT_THAT(asked->sentence, HasSubstr("the H200 is faster on the card than the H100 (1.38x, 5 runs and 4)"));
  EXPECT_EQ(labels(asked.first()), (std::vector<std::string>{"H100", "H200"})) << "by the whole, as drawn";
}

TEST(Answer, FewRunsGiveNoVerdictInPlainWords) {
  Kind near = kH200;
  near.step_s = 2.1;
  const Asked asked(together({repeated(kH100, 2), repeated(near, 1)}));
  EXPECT_THAT(asked->sentence, HasSubstr("the H100 took 11.0 s on the card, the H200 11.3 s (1.03x, 2 runs and 1), too "
                                         "few runs to be sure which is faster"));
  EXPECT_THAT(asked->sentence, Not(HasSubstr("INCONCLUSIVE")));
  EXPECT_THAT(asked->sentence, HasSubstr("; at rental prices 0.018 USD with the H100 and 0.025 with the H200."))
      << "of one run nobody knows by how much the price would be off";
}

TEST(Answer, TheCaseWithMostCardsThenMostRunsThenAWarmOneComesFirst) {
  Kind third{.name = "on_three", .card = "NVIDIA L40S"}, h100 = third, h200 = third;
  h100.card = kH100.card;
  h200.card = kH200.card;
  const std::vector<RunRecord> two = together({repeated(kH100, 5), repeated(kH200, 5)});
  const Asked most_cards(together({two, repeated(third, 1), repeated(h100, 1), repeated(h200, 1)}));
  EXPECT_EQ(most_cards.first().name, "on_three, wanbench");
  EXPECT_THAT(most_cards->sentence, HasSubstr("of 3 cards"));

  Kind fewer{.name = "a"}, fewer_there{.name = "a", .card = kH200.card};
  EXPECT_EQ(Asked(together({two, repeated(fewer, 5), repeated(fewer_there, 4)})).first().name, "case, wanbench");

  Kind warm = kH100, warm_there = kH200;
  warm.scope = warm_there.scope = RunScope::kWarm;
  EXPECT_EQ(Asked(together({two, repeated(warm, 5), repeated(warm_there, 5)})).first().name, "case (warm), wanbench");
}

TEST(Answer, ProgramsOnOneCardThenTheCasesOfACardThenASingleCase) {
  Kind other = kH100;
  other.program = "another";
  other.step_s = 4;
  const Asked programs(together({repeated(kH100, 5), repeated(other, 5)}));
  EXPECT_EQ(programs.first().of, ChartOf::kPrograms);
  EXPECT_EQ(labels(programs.first()), (std::vector<std::string>{"wanbench", "another"}));
  EXPECT_THAT(programs->sentence, HasSubstr("on the H100, wanbench takes 22.0 s and another 28.0 s (1.27x, 5 runs "
                                            "each): wanbench is faster."));

  Kind longer{.name = "longer", .step_s = 20};
  const Asked cases(together({repeated(longer, 1), repeated(kH100, 1)}));
  EXPECT_EQ(cases.first().of, ChartOf::kCases);
  EXPECT_EQ(labels(cases.first()), (std::vector<std::string>{"case", "longer"})) << "fastest first";
  EXPECT_THAT(cases->sentence, HasSubstr("wanbench makes the videos of 2 cases on the H100 in 22.0 to 76.0 s each"));

  const Asked single(repeated(kH100, 1));
  EXPECT_EQ(single->sentence,
            "This video (case, 1280x704, 121 frames, 3 steps) takes 22.0 s with wanbench on the H100 (single run; "
            "0.018 USD at the rental price).");
}

TEST(Answer, CardAndProgramNeverChangeTogether) {
  std::vector<RunRecord> records;
  for (const std::string card : {"NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA L40S"})
    for (const std::string program : {"wanbench", "another", "a third"})
      for (const std::string name : {"a", "b"}) {
        if (card == "NVIDIA L40S" && program == "wanbench") continue;
        Kind kind{.name = name, .card = card, .program = program};
        for (RunRecord& run : repeated(kind, 2)) {
          if (program != "wanbench") run.engine.kind = EngineKind::kImported;
          seal(run);
          records.push_back(run);
        }
      }
  const Asked asked(records);
  std::set<ChartOf> kinds;
  for (const AnswerChart& chart : asked->charts) {
    std::set<std::string> cards, programs, cases;
    for (const AnswerBar& bar : chart.bars) {
      cards.insert(bar.shown->summary.group.device);
      programs.insert(bar.shown->summary.group.engine);
      cases.insert(bar.shown->title);
    }
    EXPECT_EQ((cards.size() > 1) + (programs.size() > 1) + (cases.size() > 1), 1) << chart.name;
    kinds.insert(chart.of);
  }
  EXPECT_EQ(kinds.size(), 3u);
  EXPECT_EQ(asked.first().name, "a, wanbench") << "our own program before one on more cards";
}

TEST(Answer, DifferentWorkGetsNoVerdict) {
  std::vector<RunRecord> records = together({repeated(kH100, 5), repeated(kH200, 5)});
  for (size_t i = 5; i < records.size(); ++i) {
    records[i].workload.seed = 7;
    seal(records[i]);
  }
  for (size_t i = 0; i < 5; ++i) {
    records[i].workload.seed = 8;
    seal(records[i]);
  }
  const Asked asked(records);
  ASSERT_EQ(asked.first().notes.size(), 1u);
  EXPECT_THAT(asked.first().notes[0], HasSubstr("did not do the same work: seed"));
  EXPECT_THAT(asked->sentence, HasSubstr("not the same work on every card: no verdict"));
}

TEST(Answer, OnlyFailuresAreASentenceWithHowManyOfEachKindAndNoChart) {
  Kind b{.name = "b"}, c{.name = "c"};
  const Asked asked(
      {failed(kH100, RunStatus::kOutOfMemory), failed(b, RunStatus::kOutOfMemory), failed(c, RunStatus::kCrash)});
  EXPECT_TRUE(asked->charts.empty());
  EXPECT_EQ(asked->sentence, "No run gave a video: 1 case crashed, 2 cases ran out of memory.");
}

TEST(Answer, AFailureBesideVideosIsNamedWithoutABar) {
  Kind large{.name = "large"};
  std::vector<RunRecord> records = repeated(kH100, 1);
  records.push_back(failed(large, RunStatus::kTimeout));
  const Asked asked(records);
  ASSERT_EQ(asked.first().gaps.size(), 1u);
  EXPECT_EQ(asked.first().gaps[0].label, "large");
  EXPECT_EQ(asked.first().gaps[0].words, "took longer than was allowed");
  EXPECT_THAT(asked->rest, HasSubstr("No video: 1 case took longer than was allowed."));
}

TEST(Answer, TheExampleOnABusyComputerSaysSo) {
  std::vector<RunRecord> records;
  for (const std::string name : {"one", "two"}) {
    Kind kind{.name = name, .step_s = name == "one" ? 1.0 : 2.0};
    RunRecord run = run_of(kind);
    run.engine.device = "cpu";
    run.system.gpus.clear();
    run.run_case.suite = "quick";
    flag(run, "cpu_interference");
    records.push_back(run);
  }
  const Asked asked(records);
  EXPECT_TRUE(asked->is_example);
  EXPECT_EQ(asked->sentence,
            "The example videos took 19.0 to 22.0 s each on this computer, measured while other programs ran.");
  EXPECT_TRUE(asked->rest.empty()) << asked->rest;
  EXPECT_EQ(asked.first().bars[0].sureness, Sureness::kDoubtful);
  records[0].run_case.suite = records[1].run_case.suite = "mine";
  EXPECT_FALSE(Asked(records)->is_example);
}

TEST(Answer, BarsThatDoNotCountComeAfterThoseThatDo) {
  Kind slow{.name = "slow", .step_s = 9};
  std::vector<RunRecord> records = repeated(kH100, 1);
  flag(records[0], "gpu_not_idle");
  records.push_back(run_of(slow));
  EXPECT_EQ(labels(Asked(records).first()), (std::vector<std::string>{"slow", "case"}));
}

TEST(Sureness, NeedsRunsThatAgree) {
  const auto of = [](const std::vector<RunRecord>& records) { return Asked(records).first().bars[0].sureness; };
  EXPECT_EQ(of(repeated(kH100, 5)), Sureness::kSolid);
  EXPECT_EQ(of(repeated(kH100, 4)), Sureness::kFair);
  EXPECT_EQ(of(repeated(kH100, 1)), Sureness::kSingleRun);
  std::vector<RunRecord> wide = repeated(kH100, 5);
  for (size_t i = 0; i < wide.size(); ++i) {
    stage_of(wide[i], "Total_Execution").wall_ns += static_cast<int64_t>(i) * 1'000'000'000;
    seal(wide[i]);
  }
  EXPECT_EQ(of(wide), Sureness::kFair) << "converged by its stages, 20 to 26 s as a whole";
  std::vector<RunRecord> imported = repeated(kH100, 5);
  for (RunRecord& run : imported) {
    run.engine.kind = EngineKind::kImported;
    seal(run);
  }
  EXPECT_EQ(of(imported), Sureness::kPrinted);
}

TEST(Answer, SeveralCardsInOneMachineAreNeverCalledOne) {
  std::vector<RunRecord> eight = repeated(kH200, 5);
  for (RunRecord& run : eight) {
    run.system.gpus.assign(8, run.system.gpus[0]);
    seal(run);
  }
  EXPECT_EQ(labels(Asked(together({repeated(kH100, 5), eight})).first()),
            (std::vector<std::string>{"H100", "8x NVIDIA H200"}));
}

TEST(Answer, OneBarACardWhereASourceHasTheWorkUnderTwoNames) {
  std::vector<RunRecord> twice = repeated(kH200, 2);
  RunRecord again = run_of(kH200);
  again.run_case.name = "other_name";
  again.run_case.aliases = {"case"};
  seal(again);
  twice.push_back(again);
  const Asked asked(together({repeated(kH100, 2), twice}));
  EXPECT_EQ(labels(asked.first()), (std::vector<std::string>{"H100", "H200"}));
}

TEST(Answer, ArmsOfOneCaseOnOneMachineAreSetAgainstEachOtherFirst) {
  std::vector<RunRecord> records = together({repeated(kH100, 5), repeated(Kind{.step_s = 3}, 5)});
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].run_case.arm = i < 5 ? "new" : "old";
    seal(records[i]);
  }
  const Asked asked(records);
  ASSERT_EQ(asked.first().of, ChartOf::kArms);
  EXPECT_EQ(labels(asked.first()), (std::vector<std::string>{"new", "old"}));
  EXPECT_THAT(asked->sentence,
              HasSubstr("on the H100, new takes 22.0 s and old 25.0 s (1.14x, 5 runs each): new is faster."));
}

TEST(Answer, AnotherLimitOfMemoryIsOtherWork) {
  std::vector<RunRecord> limited = repeated(kH200, 5), free = repeated(kH100, 5);
  for (RunRecord& run : limited) {
    run.execution = measured(Execution{}, "engine");
    run.execution.value->gpu_memory_limit_bytes = uint64_t{12} << 30;
    seal(run);
  }
  for (RunRecord& run : free) {
    run.execution = measured(Execution{}, "engine");
    seal(run);
  }
  const Asked asked(together({free, limited}));
  EXPECT_THAT(asked->sentence, HasSubstr("no verdict."));
  EXPECT_THAT(asked.first().notes.at(0), HasSubstr("12GiB"));
}

TEST(Answer, FailedRunsBehindABarAndOnOtherCardsAreInTheSecondLine) {
  std::vector<RunRecord> records = repeated(kH100, 1);
  RunRecord crashed = failed(kH100, RunStatus::kCrash);
  crashed.run_case.repeat = 1;
  seal(crashed);
  records.push_back(crashed);
  records.push_back(failed(kH200, RunStatus::kOutOfMemory));
  const Asked asked(records);
  EXPECT_THAT(asked->rest, HasSubstr("Of 2 runs behind this 1 gave no video."));
  EXPECT_THAT(asked->rest, HasSubstr("Elsewhere: 1 case ran out of memory on the H200."));
}

TEST(Answer, CardsOfOneFamilyKeepTheirFullNames) {
  Kind nvl{.card = "NVIDIA H100 NVL"};
  const Asked asked(together({repeated(kH100, 1), repeated(nvl, 1)}));
  EXPECT_EQ(labels(asked.first()), (std::vector<std::string>{"H100 80GB HBM3", "H100 NVL"}));
}

/// Names of flags as the program's sources spell them where they raise one.
std::set<std::string> raised_flags() {
  std::set<std::string> names = {"low_clock"};  // by select_valid, which excludes without a flag in the record
  const std::regex raised(R"re((?:flags|validity)\.push_back\(\s*\{\s*"([a-z_]+)")re");
  const std::regex named(R"re(k[A-Za-z]+Flag = "([a-z_]+)")re");
  const std::filesystem::path source = std::filesystem::path(WAN_SOURCE_DIR) / "src";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source)) {
    if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
    const std::string text = read_text(entry.path());
    for (const std::regex& pattern : {raised, named})
      for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found)
        names.insert((*found)[1]);
  }
  return names;
}

TEST(PlainWords, EveryFlagThatIsRaisedHasWords) {
  const std::set<std::string> names = raised_flags();
  EXPECT_GE(names.size(), 17u) << "the search finds no flags any more";
  for (const std::string& name : names) EXPECT_TRUE(has_plain_flag(name)) << name;
  EXPECT_EQ(plain_flag("of_a_later_program"), "of a later program");
}

TEST(PlainWords, ReasonsEndingsAndVerdictsAreWords) {
  EXPECT_EQ(plain_reason("flag cpu_interference: 0.9 cores"), "measured while other programs ran");
  EXPECT_EQ(plain_reason("status oom"), "ran out of memory");
  std::set<std::string> words;
  for (const auto& [status, word] : EnumNames<RunStatus>::kTable) {
    EXPECT_NE(plain_status(status), word);
    words.insert(plain_status(status));
  }
  EXPECT_EQ(words.size(), EnumNames<RunStatus>::kTable.size());
  RatioTest test;
  EXPECT_EQ(plain_verdict(test), "too few runs to be sure");
  test.p_rank = 0.5;
  EXPECT_EQ(plain_verdict(test), "too close to say");
  test.verdict = Verdict::kSame;
  EXPECT_EQ(plain_verdict(test), "equally fast");
}

}  // namespace
}  // namespace wan
