"""What runs inside a job, on the real DVC.

Where DVC surprises people in CI, there is a test. Which one:

=============================================================  ========================================================
without a lock `dvc pull && dvc repro` runs all again          test_runs: TestAFreshCheckoutWithoutALock; test_resuming
a lock that is older than the params, computed elsewhere       test_flags: test_what_was_computed_with_other_params...
success is told, and uncached outputs do not exist             test_runs: test_is_recognised_when_dvc_says_that_all...
one uncached output, and its stage runs on every machine       test_odd: TestAProjectBelowTheTopOfItsRepository;
                                                               named first: test_flags: test_a_stage_that_cannot_be...
all of the run cache is sent each time                         test_runs: test_runs_again_what_a_changed_param...;
                                                               benchmarks/dvc_run.py
SIGINT to DVC alone is ignored, SIGTERM leaves orphans         test_commands: TestEndingFromOutside
a shell's background job ignores SIGINT                        test_commands: test_an_interrupt_to_the_command_alone...
an interrupted command that ends with 0 counts as done         test_odd: test_and_ends_well_all_the_same...
DVC ends with 255 whatever the stage ended with                test_runs: test_shows_the_stage_and_its_own_exit_code...
a push beside a stage takes the lock that the stage needs      test_runs: TestWhilePushing
`dvc commit` and `dvc checkout` while or after a stage runs    test_flags: test_never_commits_what_is_half_done
what a stage had half done is not pushed                       test_resuming; test_checkpoints
`dvc unfreeze` leaves the tree changed                         test_flags: TestForOneRun, TestEdits
"would anything run" is wrong about uncached outputs           test_flags: test_what_cannot_be_told_is_work
git refuses the folder of another user                         test_commands: TestChecks
=============================================================  ========================================================
"""
