// SPDX-License-Identifier: MIT
#include "auth/scram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/base64.h"

namespace sb::auth {
namespace {

using mqtt::Reason;
using ::testing::HasSubstr;

// RFC 7677 3
constexpr std::string_view kClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
constexpr const char* kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

std::shared_ptr<const ScramUsers> users(const std::string& text) {
  std::string why;
  auto r = ScramUsers::parse(text, why);
  EXPECT_TRUE(r.has_value()) << why;
  return *r;
}

std::string line(std::string_view name, std::string_view password, std::string salt = "0123456789abcdef") {
  return format_scram_line(name, make_scram_keys(password, 4096, std::move(salt))) + "\n";
}

std::shared_ptr<const ScramUsers> rfc_users() {
  static const auto u =
      users(line("user", "pencil", *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==")) + line("a,b=c", "p\xC3\xA4ss"));
  return u;
}

TEST(Scram, VectorsOfRfc7677) {
  auto server = make_scram_exchange(rfc_users(), kServerNonce);
  ScramClient client("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(client.first(), kClientFirst);
  auto step = server->step(kClientFirst);
  EXPECT_EQ(step.reason, Reason::continue_authentication);
  EXPECT_EQ(step.data, kServerFirst);
  auto answer = client.answer(kServerFirst);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(*answer, kClientFinal);
  step = server->step(kClientFinal);
  EXPECT_EQ(step.reason, Reason::success);
  EXPECT_EQ(step.data, kServerFinal);
  EXPECT_EQ(step.username, "user");
  EXPECT_EQ(client.verify(kServerFinal), error_code());
  EXPECT_EQ(server->step(kClientFinal).reason, Reason::protocol_error) << "after the end";
}

/// A whole exchange by the rules.
struct Outcome {
  Reason reason;
  std::string username;
  error_code client;
};
Outcome run(ports::EnhancedAuthenticator& offered, const std::string& name, const std::string& password) {
  auto server = offered.start("SCRAM-SHA-256", {});
  ScramClient client(name, password);
  auto step = server->step(client.first());
  if (step.reason != Reason::continue_authentication) return {step.reason, {}, {}};
  auto answer = client.answer(step.data);
  if (!answer) return {Reason::unspecified_error, {}, answer.error()};
  step = server->step(*answer);
  return {step.reason, step.username, client.verify(step.data)};
}

TEST(Scram, NamesAndPasswords) {
  ScramAuthenticator offered(rfc_users());
  EXPECT_EQ(offered.start("SCRAM-SHA-1", {}), nullptr);
  EXPECT_EQ(offered.start("scram-sha-256", {}), nullptr);
  auto good = run(offered, "a,b=c", "p\xC3\xA4ss");
  EXPECT_EQ(good.reason, Reason::success);
  EXPECT_EQ(good.username, "a,b=c");
  EXPECT_EQ(good.client, error_code());
  EXPECT_EQ(run(offered, "user", "Pencil").reason, Reason::bad_user_name_or_password);
  EXPECT_EQ(run(offered, "user", "").reason, Reason::bad_user_name_or_password);
  EXPECT_EQ(run(offered, "nobody", "pencil").reason, Reason::bad_user_name_or_password);
  EXPECT_EQ(run(offered, "USER", "pencil").reason, Reason::bad_user_name_or_password);
}

TEST(Scram, EmptyConnectIsAskedForTheFirstMessage) {
  auto server = make_scram_exchange(rfc_users(), kServerNonce);
  auto step = server->step("");
  EXPECT_EQ(step.reason, Reason::continue_authentication);
  EXPECT_EQ(step.data, "");
  EXPECT_EQ(server->step(kClientFirst).data, kServerFirst);
  auto mute = make_scram_exchange(rfc_users(), kServerNonce);
  mute->step("");
  EXPECT_EQ(mute->step("").reason, Reason::protocol_error);
}

TEST(Scram, ClientFirstThatIsRefused) {
  const struct {
    std::string message;
    Reason reason;
  } rows[] = {
      {"p=tls-unique,,n=user,r=abc", Reason::protocol_error},
      {"n,a=other,n=user,r=abc", Reason::not_authorized},
      {"n,x,n=user,r=abc", Reason::protocol_error},
      {"n,,m=x,n=user,r=abc", Reason::protocol_error},
      {"n,,n=user", Reason::protocol_error},
      {"n,,n=user,r=", Reason::protocol_error},
      {"n,,n=user,r=a b", Reason::protocol_error},
      {"n,,n=us=er,r=abc", Reason::protocol_error},
      {"n,,n=us=2,r=abc", Reason::protocol_error},
      {"n,,n=,r=abc", Reason::protocol_error},
      {"n,,n=\xC3,r=abc", Reason::protocol_error},
      {std::string("n,,n=a\0b,r=abc", 14), Reason::protocol_error},
      {"n,,r=abc,n=user", Reason::protocol_error},
      {"n,", Reason::protocol_error},
      {"n", Reason::protocol_error},
      {"x,,n=user,r=abc", Reason::protocol_error},
      {"n,,n=user,r=" + std::string(5000, 'r'), Reason::protocol_error},
  };
  for (const auto& row : rows) {
    auto server = make_scram_exchange(rfc_users(), kServerNonce);
    auto step = server->step(row.message);
    EXPECT_EQ(step.reason, row.reason) << row.message;
    EXPECT_EQ(step.data, "");
    EXPECT_EQ(server->step(kClientFirst).reason, Reason::protocol_error) << "after a refusal";
  }
}

TEST(Scram, ClientFirstThatIsTaken) {
  for (const char* first : {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "y,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                            "n,a=user,n=user,r=rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO,x=extension"}) {
    EXPECT_EQ(make_scram_exchange(rfc_users(), kServerNonce)->step(first).data, kServerFirst) << first;
  }
}

TEST(Scram, ClientFinalThatIsRefused) {
  auto changed = [](std::string_view from, std::string_view to) {
    std::string s(kClientFinal);
    return s.replace(s.find(from), from.size(), to);
  };
  const struct {
    std::string message;
    Reason reason;
  } rows[] = {
      {changed("biws", "eSws"), Reason::protocol_error},  // y,, although the first message said n,,
      {changed("c=biws,", ""), Reason::protocol_error},
      {changed("%hv", "%hw"), Reason::protocol_error},
      {changed(",p=", ",q="), Reason::protocol_error},
      {changed("p=dHzb", "p=dHz"), Reason::protocol_error},
      {changed("p=dHzb", "p=dHzc"), Reason::bad_user_name_or_password},
      {changed(",p=", ",x=unsigned,p="), Reason::bad_user_name_or_password},
      {"", Reason::protocol_error},
  };
  for (const auto& row : rows) {
    auto server = make_scram_exchange(rfc_users(), kServerNonce);
    server->step(kClientFirst);
    auto step = server->step(row.message);
    EXPECT_EQ(step.reason, row.reason) << row.message;
    EXPECT_EQ(step.data, "");
    EXPECT_EQ(step.username, "");
    EXPECT_EQ(server->step(kClientFinal).reason, Reason::protocol_error) << "no second try";
  }
}

TEST(Scram, UnknownUserLooksLikeAKnownOne) {
  const std::string file = line("first", "x") + line("second", "y");
  auto salt_of = [](std::shared_ptr<const ScramUsers> u, std::string_view name) {
    auto step = make_scram_exchange(std::move(u), "S")->step("n,,n=" + std::string(name) + ",r=C");
    EXPECT_EQ(step.reason, Reason::continue_authentication);
    return step.data;
  };
  const std::string nobody = salt_of(users(file), "nobody");
  EXPECT_EQ(nobody.size(), salt_of(users(file), "first").size());
  EXPECT_THAT(nobody, HasSubstr(",i=4096"));
  EXPECT_EQ(nobody, salt_of(users(file), "nobody")) << "again";
  EXPECT_EQ(nobody, salt_of(users(file + line("third", "z")), "nobody")) << "with one more user";
  EXPECT_NE(nobody, salt_of(users(file), "anybody"));
}

TEST(Scram, ServerIsVerified) {
  ScramClient client("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(client.verify(kServerFinal), errc::bad_message) << "before the exchange";
  ASSERT_TRUE(client.answer(kServerFirst).has_value());
  EXPECT_EQ(client.verify("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), errc::server_unproven);
  EXPECT_EQ(client.verify("v=AAAA"), errc::server_unproven);
  EXPECT_EQ(client.verify("e=other-error"), errc::refused);
  EXPECT_EQ(client.verify(""), errc::bad_message);
  const struct {
    const char* message;
    errc error;
  } rows[] = {
      {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", errc::wrong_nonce},
      {"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", errc::wrong_nonce},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", errc::bad_message},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096", errc::bad_message},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", errc::weak_parameters},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999", errc::weak_parameters},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=999999999", errc::bad_message},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1", errc::bad_message},
      {"m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", errc::bad_message},
      {"", errc::bad_message},
  };
  for (const auto& row : rows) EXPECT_EQ(client.answer(row.message).error(), row.error) << row.message;
}

TEST(Scram, UsersAreReplacedWhileOthersLogIn) {
  ScramAuthenticator offered(users(line("user", "old")));
  auto begun = offered.start("SCRAM-SHA-256", {});
  ScramClient client("user", "old");
  auto step = begun->step(client.first());
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) offered.start("SCRAM-SHA-256", {})->step("n,,n=user,r=abc");
  });
  for (int i = 0; i < 100; ++i) offered.replace(users(line("user", "new")));
  other.join();
  EXPECT_EQ(begun->step(*client.answer(step.data)).reason, Reason::success);
  EXPECT_EQ(run(offered, "user", "old").reason, Reason::bad_user_name_or_password);
  EXPECT_EQ(run(offered, "user", "new").reason, Reason::success);
}

// ---- the file

TEST(ScramUsers, LinesReadBack) {
  const std::string text = "# users\n\n  \n" + line("user", "pencil") + "a:b" + line("", "x").substr(0) + "\r\n";
  auto u = users(text);
  EXPECT_EQ(u->size(), 2u);
  ASSERT_NE(u->find("user"), nullptr);
  ASSERT_NE(u->find("a:b"), nullptr);
  EXPECT_EQ(u->find("a"), nullptr);
  EXPECT_TRUE(password_matches(*u->find("user"), "pencil"));
  EXPECT_FALSE(password_matches(*u->find("user"), "pencil "));
}

TEST(ScramUsers, WrongLinesAreNamed) {
  const std::string good = line("user", "x");
  auto changed = [&](std::string_view from, std::string_view to) {
    std::string s = good;
    return s.replace(s.find(from), from.size(), to);
  };
  const struct {
    std::string text;
    const char* what;
  } rows[] = {
      {"user:pencil\n", "line 1: expected user:SCRAM-SHA-256$"},
      {"# x\n" + good + "x\n", "line 3: expected"},
      {good + good, "line 2: user user is there twice"},
      {changed("user:", ":"), "line 1: the name is empty"},
      {changed("$4096", "$4095"), "the iterations must be 4096 to 10000000"},
      {changed("$4096", "$10000001"), "the iterations must be"},
      {changed("$4096", "$x"), "the iterations must be"},
      {changed("4096:", "4096$"), "expected iterations:salt$"},
      {changed("MDEy", "MD!y"), "the salt is not base64"},
      {good.substr(0, good.size() - 3), "must be the base64 of 32 bytes"},
      {"\x01" + good, "control character"},
      {"\xFF" + good, "not UTF-8"},
  };
  for (const auto& row : rows) {
    std::string why;
    auto r = ScramUsers::parse(row.text, why);
    EXPECT_TRUE(r.has_error() && r.error() == errc::file_format) << row.text;
    EXPECT_THAT(why, HasSubstr(row.what));
  }
}

TEST(ScramUsers, FilesAndTheirPermissions) {
  const std::string file = ::testing::TempDir() + "scram-users-test";
  std::ofstream(file) << line("user", "pencil");
  std::string why;
  std::vector<std::string> warnings;
  chmod(file.c_str(), 0600);
  EXPECT_TRUE(ScramUsers::load(file, why, warnings).has_value());
  EXPECT_TRUE(warnings.empty());
  chmod(file.c_str(), 0644);
  EXPECT_TRUE(ScramUsers::load(file, why, warnings).has_value());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr(file + ": everybody on this machine can read it"));
  std::ofstream(file) << "x\n";
  EXPECT_EQ(ScramUsers::load(file, why, warnings).error(), errc::file_format);
  EXPECT_THAT(why, HasSubstr(file + ": line 1:"));
  std::filesystem::remove(file);
  EXPECT_EQ(ScramUsers::load(file, why, warnings).error(), errc::file_unreadable);
  EXPECT_EQ(why, file + ": No such file or directory");
}

}  // namespace
}  // namespace sb::auth
