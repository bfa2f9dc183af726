"""Fenmoor Waterways, an organisation that does not exist, for development and tests.

    world     who and what there is: accounts, roles, people, services
    ids       identifiers that look random and are the same for the same date
    records   CloudTrail records, as CloudTrail writes them
    sessions  sign-ins: the records they leave and the identities they give
    calls     the API calls that the story makes
    releases  the release log (JSON Lines)
    story     what happened on those two days, and the verdict of each change
    files     writing it down: trail, release log, truth, configuration
    emulator  the same organisation played against an emulator with boto3

Only `emulator` needs more than the standard library.
"""
