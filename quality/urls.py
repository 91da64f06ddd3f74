"""Pages about what the answers say."""

from django.urls import path

from quality.views import audit, batches, proof, quiz, review

urlpatterns = [
    path("studio/batches/<uuid:batch_id>/", batches.studio_batch, name="studio_batch"),
    path("studio/batches/<uuid:batch_id>/now/", batches.studio_batch_now, name="studio_batch_now"),
    path("studio/batches/<uuid:batch_id>/upload/", batches.batch_upload, name="batch_upload"),
    path("studio/batches/<uuid:batch_id>/results/", batches.studio_results, name="studio_results"),
    path("studio/batches/<uuid:batch_id>/export/", batches.batch_export, name="batch_export"),
    path("studio/batches/<uuid:batch_id>/exports/", batches.batch_exports_now, name="batch_exports_now"),
    path("studio/exports/<uuid:operation_id>/", batches.export_file, name="export_file"),
    path("studio/batches/<uuid:batch_id>/review/", review.studio_review, name="studio_review"),
    path("studio/batches/<uuid:batch_id>/review/decide/", review.review_decide, name="review_decide"),
    path("studio/batches/<uuid:batch_id>/review/answer/", review.review_answer, name="review_answer"),
    path("studio/batches/<uuid:batch_id>/review/undo/", review.review_undo, name="review_undo"),
    path("studio/batches/<uuid:batch_id>/review/clarify/", review.review_clarify, name="review_clarify"),
    path("studio/batches/<uuid:batch_id>/review/known/", review.review_gold, name="review_gold"),
    path("studio/batches/<uuid:batch_id>/review/draw/", review.review_draw, name="review_draw"),
    path("studio/batches/<uuid:batch_id>/review/many/", review.review_bulk, name="review_bulk"),
    path("studio/batches/<uuid:batch_id>/review/many/do/", review.review_bulk_do, name="review_bulk_do"),
    path("studio/items/<uuid:item_id>/", review.studio_item, name="studio_item"),
    path("studio/batches/<uuid:batch_id>/proof/", proof.studio_proof, name="studio_proof"),
    path("studio/batches/<uuid:batch_id>/proof/draw/", proof.proof_draw, name="proof_draw"),
    path("studio/audits/<uuid:sample_id>/", proof.studio_audit, name="studio_audit"),
    path("studio/audits/<uuid:sample_id>/answer/", proof.audit_answer, name="audit_answer"),
    path("studio/audits/<uuid:sample_id>/certify/", proof.audit_certify, name="audit_certify"),
    path("studio/certificates/<uuid:certificate_id>/", proof.studio_certificate, name="studio_certificate"),
    path("studio/certificates/<uuid:certificate_id>/file/", proof.certificate_file, name="certificate_file"),
    path("studio/certificates/<uuid:certificate_id>/publish/", proof.certificate_publish, name="certificate_publish"),
    path("certificates/<uuid:certificate_id>/", proof.public_certificate, name="public_certificate"),
    path("certificates/<uuid:certificate_id>/file/", proof.public_certificate_file, name="public_certificate_file"),
    path("studio/batches/<uuid:batch_id>/<slug:act>/", batches.batch_act, name="batch_act"),
    path("audit/workers/", audit.audit_workers, name="audit_workers"),
    path("audit/workers/<uuid:worker_id>/", audit.audit_worker, name="audit_worker"),
    path("audit/workers/<uuid:worker_id>/decide/", audit.audit_decide, name="audit_decide"),
    path("audit/flags/<uuid:flag_id>/close/", audit.audit_close_flag, name="audit_close_flag"),
    path("quiz/<uuid:batch_id>/", quiz.quiz, name="quiz"),
    path("quiz/<uuid:batch_id>/start/", quiz.quiz_start, name="quiz_start"),
    path("quiz/<uuid:batch_id>/answer/", quiz.quiz_answer, name="quiz_answer"),
]
